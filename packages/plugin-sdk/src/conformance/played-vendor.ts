import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { VendorAnswer, VendorDescription, VendorEffect, VendorRequest } from "./plugin-description.ts";
import { responsesIn, teamOf } from "./response-ids.ts";

/** What the vendor does with a team's calls. `held`: the effect happens, its answer does not come. */
type VendorMood = "done" | "held" | "not-now" | "refused";

/** A call about a team's deliveries. */
interface VendorCall {
  readonly team: string;
  readonly mood: VendorMood;
  /** What happened at the vendor: nothing, unless it did what was asked. */
  readonly effects: readonly VendorEffect[];
}

interface Planned {
  readonly mood: VendorMood;
  /** Calls that are left for it; the team is `done` after them. */
  left: number;
}

/** The third party: a real server that counts what a plugin has it do, and answers as it is told, team by team. */
export class PlayedVendor {
  readonly #calls: VendorCall[] = [];
  readonly #description: VendorDescription;
  readonly #moods = new Map<string, Planned>();
  readonly #held = new Map<string, Set<() => void>>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  constructor(description: VendorDescription) {
    this.#description = description;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get canRefuse(): boolean {
    return this.#description.refused !== null;
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** @param times after so many calls of the team all is well again. */
  behave(team: string, mood: VendorMood, times = Number.POSITIVE_INFINITY): void {
    this.#moods.set(team, { mood, left: times });
  }

  /** Gives the team every answer that is held, and does what it asks from now on. */
  release(team: string): void {
    this.#moods.delete(team);
    for (const letGo of this.#held.get(team) ?? []) letGo();
    this.#held.delete(team);
  }

  /** Whether it got a call of the team's and withheld the answer. */
  hasHeld(team: string): boolean {
    return this.#calls.some((call) => call.team === team && call.mood === "held");
  }

  /** The keys under which a response's effect happened, as often as it was called for. */
  keysOf(response: string): string[] {
    return this.#calls.flatMap(({ effects }) =>
      effects.filter((one) => one.response === response).map(({ key }) => key),
    );
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const request = { ...(await read(incoming)), headers: incoming.headers };
      const effects = (this.#description.effectsOf ?? effectsIn)(request);
      const [first] = effects;
      const team = first === undefined ? (this.#description.teamOf?.(request) ?? null) : teamOf(first.response);
      const { done } = this.#description;
      send(outgoing, team === null ? await done(request) : await this.#answer(team, request, effects, outgoing));
    } catch (error) {
      send(outgoing, { status: 500, body: `the description's own answer failed: ${(error as Error).message}` });
    }
  }

  async #answer(
    team: string,
    request: VendorRequest,
    effects: readonly VendorEffect[],
    outgoing: ServerResponse,
  ): Promise<VendorAnswer> {
    const { done, notNow, refused } = this.#description;
    const mood = this.#next(team);
    if (mood === "not-now" || mood === "refused") {
      this.#calls.push({ team, mood, effects: [] });
      return mood === "not-now" ? notNow : (refused ?? notNow);
    }
    const answer = await done(request);
    this.#calls.push({ team, mood, effects: answer.status < 400 ? effects : [] });
    if (mood === "held") await this.#hold(team, outgoing);
    return answer;
  }

  #next(team: string): VendorMood {
    const planned = this.#moods.get(team);
    if (planned === undefined || planned.left <= 0) return "done";
    planned.left -= 1;
    return planned.mood;
  }

  /** Until it is released, or the caller is gone. */
  async #hold(team: string, outgoing: ServerResponse): Promise<void> {
    await new Promise<void>((resolve) => {
      const held = this.#held.get(team) ?? new Set();
      this.#held.set(team, held.add(resolve));
      outgoing.once("close", resolve);
    });
  }
}

function effectsIn({ method, path, headers, body }: VendorRequest): VendorEffect[] {
  if (method === "GET") return [];
  const given = headers["idempotency-key"];
  return responsesIn(`${path}\n${body}`).map((response) => ({ response, key: String(given ?? response) }));
}

/** More than any delivery: a record has at most 1,114,112 bytes. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

async function read(request: IncomingMessage): Promise<Omit<VendorRequest, "headers">> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`a call of the vendor has more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk as Buffer);
  }
  return { method: request.method ?? "", path: request.url ?? "", body: Buffer.concat(chunks).toString("utf8") };
}

function send(outgoing: ServerResponse, { status, headers, body }: VendorAnswer): void {
  if (!outgoing.destroyed) outgoing.writeHead(status, headers).end(body);
}
