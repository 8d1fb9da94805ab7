import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type ProcessResponse, processRequestSchema } from "@plugboard/contract";
import type { z } from "zod";

type ProcessRequest = z.infer<typeof processRequestSchema>;
type Answer = { status: number; body: unknown } | "hang";

/** A manager that is only its `POST /v1/process`: a real HTTP server that checks what it gets. */
export class FakeManager {
  /** What it was asked, oldest first. */
  readonly asked: ProcessRequest[] = [];
  answer: (event: ProcessRequest) => Answer = () => accepted([]);
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const known = request.method === "POST" && request.url === "/v1/process";
    const event = processRequestSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
    this.asked.push(event);
    const allowed = request.headers.authorization === "Bearer token";
    const answer = known && allowed ? this.answer(event) : { status: 401, body: { code: "unauthenticated" } };
    if (answer === "hang") return;
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  }
}

/** An accepting answer. */
export function accepted(results: ProcessResponse["results"]): Answer {
  return { status: 200, body: { accepted: true, results } };
}

/** The validator's result with one flag. */
export function flaggedResult(rule: string, message = "more saved than earned"): ProcessResponse["results"][number] {
  const flags = [{ rule, message, fields: ["savings"] }];
  return { plugin: "validator", outcome: "flagged", flags, error: null, durationMs: 3 };
}
