import { Agent, request as httpRequest } from "node:http";
import type { ReceivedAnswer } from "../answer-check.ts";
import type { FuzzRequest } from "./request-arbitrary.ts";

/** Longest an answer is waited for, milliseconds. */
const ANSWER_MS_MAX = 30_000;

/** Sends requests as they are, also ones that fetch would refuse or correct: odd paths, headers, bodies of a GET. */
export class RequestSender {
  readonly #base: URL;
  readonly #agent: Agent;

  constructor(baseUrl: string, connectionsMax: number) {
    this.#base = new URL(baseUrl);
    this.#agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @returns the answer; status 0 and the reason when there was none. */
  async send({ method, path, headers, body }: FuzzRequest, token: string | null): Promise<ReceivedAnswer> {
    const { hostname, port } = this.#base;
    const all = {
      ...headers,
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      // Node itself sends none with a GET, and the body would be read as the next request.
      ...(body === undefined || headers["transfer-encoding"] !== undefined
        ? {}
        : { "content-length": String(Buffer.byteLength(body)) }),
    };
    const options = { agent: this.#agent, hostname, port, method, path, headers: all, timeout: ANSWER_MS_MAX };
    return await new Promise((resolve) => {
      const none = (error: Error) => resolve({ status: 0, headers: new Headers(), text: String(error) });
      const outgoing = httpRequest(options, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", none);
        incoming.on("end", () => {
          const pairs = Object.entries(incoming.headers).map(([name, value]): [string, string] => [
            name,
            String(value),
          ]);
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: incoming.statusCode ?? 0, headers: new Headers(pairs), text });
        });
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
      outgoing.on("error", none);
      outgoing.end(body);
    });
  }
}
