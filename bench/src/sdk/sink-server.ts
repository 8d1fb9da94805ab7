import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import type { SinkItem } from "./sink-client.ts";

/**
 * The third party of the measured plugins, a process of its own: answers each call after a while, and counts each event of those that it
 * answers with 2xx, by serial, with the time at which the first call came in. A team's calls can hang, or be refused.
 */
const port = Number(process.env.PORT);
const serials = Number(process.env.BENCH_SERIALS);
const delayMs = Number(process.env.BENCH_SINK_MS);

export type Treatment = "answers" | "hangs" | "refuses";

const RETRY_AFTER_SECONDS = "1";
/** Longer than any pause of a measurement: a connection that the server closes while it is used fails a call without a reason. */
const KEEP_ALIVE_MS = 900_000;
const COUNT_MAX = 255;

let counts = new Uint8Array(serials);
let arrivals = new Float64Array(serials).fill(Number.NaN);
let taken = 0;
const treatments = new Map<string, Treatment>();
const hanging = new Map<string, Map<ServerResponse, readonly SinkItem[]>>();

const server = createServer({ keepAlive: true }, (request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.requestTimeout = 0;
server.listen(port, "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [what, team = "", treatment] = (request.url ?? "").slice(1).split("/");
  switch (`${request.method} ${what}`) {
    case "POST effects":
      return await take((await json(request)) as readonly SinkItem[], response);
    case "PUT teams":
      return treat(team, treatment as Treatment, response);
    case "GET readyz":
    case "GET taken":
      return void response.end(String(taken));
    case "GET counts":
      return void response.end(counts);
    case "GET arrivals":
      return void response.end(new Uint8Array(arrivals.buffer));
    case "DELETE effects":
      counts = new Uint8Array(serials);
      arrivals = new Float64Array(serials).fill(Number.NaN);
      taken = 0;
      return void response.end();
    default:
      return void response.writeHead(404).end();
  }
}

async function take(items: readonly SinkItem[], response: ServerResponse): Promise<void> {
  const atMs = performance.timeOrigin + performance.now();
  const team = items[0]?.team ?? "";
  switch (treatments.get(team) ?? "answers") {
    case "hangs": {
      const held = hanging.get(team) ?? new Map();
      hanging.set(team, held.set(response, items));
      response.once("close", () => held.delete(response));
      return;
    }
    case "refuses":
      return void response.writeHead(429, { "retry-after": RETRY_AFTER_SECONDS }).end();
    case "answers":
      for (const { id } of items) count(Number(id.slice(1)), atMs);
      await pause(delayMs);
      return void response.writeHead(204).end();
  }
}

function count(serial: number, atMs: number): void {
  const before = counts[serial];
  taken += 1;
  if (before === undefined) return;
  if (before === 0) arrivals[serial] = atMs;
  if (before < COUNT_MAX) counts[serial] = before + 1;
}

/** Calls that hang, and whose caller still waits, are answered once their team is treated otherwise. */
function treat(team: string, treatment: Treatment, response: ServerResponse): void {
  treatments.set(team, treatment);
  const held = [...(hanging.get(team) ?? [])];
  hanging.delete(team);
  response.end();
  for (const [call, items] of held) void take(items, call);
}
