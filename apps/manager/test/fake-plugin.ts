import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

/** A call that the fake plugin got; `signed` says whether the manager's signature fits. */
export interface PluginCall {
  readonly path: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape.
  readonly body: any;
  readonly signed: boolean;
}

export type Reply = { readonly status?: number; readonly body?: unknown; readonly raw?: string } | "never" | "hang-up";

/** A small real plugin: an HTTP server that records what it is asked and answers what the test says. */
export interface FakePlugin {
  readonly url: string;
  readonly calls: PluginCall[];
  /** Called for each request; may be replaced at any time. */
  reply: (call: PluginCall) => Reply | Promise<Reply>;
  /** The secret from registration; calls count as signed once it is set and fits. */
  secret: string | undefined;
  close(): Promise<void>;
}

export async function startFakePlugin(reply: FakePlugin["reply"] = appliesEverything): Promise<FakePlugin> {
  const server = createServer(async (request, response) => {
    const text = await bodyOf(request);
    const call = { path: request.url ?? "", body: asJson(text), signed: isSigned(plugin.secret, text, request) };
    plugin.calls.push(call);
    const answer = await plugin.reply(call);
    if (answer === "never") return;
    if (answer === "hang-up") return void request.socket.destroy();
    response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
    response.end(answer.raw ?? JSON.stringify(answer.body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const plugin: FakePlugin = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    reply,
    secret: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return plugin;
}

/** Takes all settings; passes every response; answers every action with its input. */
export function appliesEverything({ path, body }: PluginCall): Reply {
  if (path === "/initialize") return { body: { status: "applied", version: body.version } };
  if (path === "/execute") return { body: { outcome: "passed", flags: [] } };
  return { body: { output: body.input } };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isSigned(secret: string | undefined, text: string, request: IncomingMessage): boolean {
  if (secret === undefined) return false;
  try {
    new Webhook(secret).verify(text, request.headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}
