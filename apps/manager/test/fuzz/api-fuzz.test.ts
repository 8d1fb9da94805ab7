import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ExponentialBackoff, handleWhenResult, retry } from "cockatiel";
import fc from "fast-check";
import { AnswerCheck, type ReceivedAnswer } from "../answer-check.ts";
import { answerFaults, SECRET_MARK, withOwnText } from "./answer-faults.ts";
import { FuzzGround, PLUGINS, TEAMS } from "./fuzz-ground.ts";
import { type FuzzRequest, requestArbitrary } from "./request-arbitrary.ts";
import { RequestSender } from "./request-sender.ts";
import { changeBetween } from "./stored-state.ts";

/** `FUZZ_SEED` repeats a run, `FUZZ_REQUESTS` makes it longer or shorter; `npm run fuzz` is a long one. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 3_000);
/** Requests after which all is let settle and looked at; also how often what a refusal leaves behind is looked at. */
const LOOK_EVERY = 1_000;
const REFUSAL_EVERY = 50;
const AT_ONCE = 8;
/** A run that finds this many stops: more would only repeat them. */
const FAULTS_MAX = 20;

/**
 * A store that is late because the machine is busy is no fault, as long as it says so: 503 `unavailable`, "try again".
 * So such a request is sent again, and those are counted: they must stay this share of the run.
 */
const BUSY_SHARE_MAX = 0.01;
const isBusy = (answer: unknown) => {
  const { status, text } = answer as ReceivedAnswer;
  return status === 503 && text.includes('"code":"unavailable"');
};
const whileBusy = retry(handleWhenResult(isBusy), {
  maxAttempts: 6,
  backoff: new ExponentialBackoff({ initialDelay: 250, maxDelay: 5_000 }),
});

const PAIRS = TEAMS.flatMap((team) => PLUGINS.map((plugin) => ({ team, plugin })));

let ground: FuzzGround;
let check: AnswerCheck;
let sender: RequestSender;

beforeAll(async () => {
  ground = await FuzzGround.start();
  check = new AnswerCheck(ground.document);
  sender = new RequestSender(ground.manager.url, AT_ONCE);
});
afterAll(async () => {
  sender?.close();
  await ground?.clear();
});

/** What a run has seen so far. */
class Run {
  readonly faults: string[] = [];
  readonly statuses = new Map<number, number>();
  /** Teams that were given a quota. */
  readonly limited = new Set<string>();
  refusalsLookedAt = 0;
  busy = 0;

  tell(request: FuzzRequest, faults: readonly string[]): void {
    const shown = JSON.stringify(request).slice(0, 600);
    for (const fault of faults) this.faults.push(`${shown}\n    ${fault.slice(0, 600)}`);
  }

  async send(generated: FuzzRequest): Promise<number> {
    const request = withOwnText(generated);
    const token = ground.tokens.get(request.actor) ?? null;
    const answer = await whileBusy.execute(async ({ attempt }) => {
      if (attempt > 0) this.busy += 1;
      return await sender.send(request, token);
    });
    this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1);
    this.tell(request, answerFaults(request, answer, check, PAIRS));
    const [, limited] = /^\/v1\/teams\/([^/?]+)\/quota/.exec(request.path) ?? [];
    if (limited !== undefined && answer.status < 300) this.limited.add(limited);
    return answer.status;
  }

  async sendAll(requests: readonly FuzzRequest[]): Promise<void> {
    const waiting = [...requests];
    const worker = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await this.send(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** Sends one request with nothing else under way: if it is refused, nothing may have changed. */
  async sendAlone(request: FuzzRequest): Promise<void> {
    await ground.state.settle(ground.plugin.url);
    const before = await ground.state.snapshot();
    const status = await this.send(request);
    if (status < 400) return;
    this.refusalsLookedAt += 1;
    const changed = changeBetween(before, await ground.state.snapshot());
    if (changed.length > 0) this.tell(request, [`it was refused with ${status}, and ${changed.join()} changed`]);
  }

  async look(): Promise<void> {
    await ground.state.settle(ground.plugin.url);
    this.faults.push(...(await ground.state.problems(this.limited, SECRET_MARK)));
  }

  share(least: number, most: number): number {
    let [within, all] = [0, 0];
    for (const [status, count] of this.statuses) {
      all += count;
      if (status >= least && status <= most) within += count;
    }
    return within / all;
  }
}

test(
  `${REQUESTS} requests made from the document (FUZZ_SEED=${SEED}) get no 5xx, no answer outside it, nobody else's data, and leave nothing half-stored`,
  async () => {
    const run = new Run();
    const requests = requestArbitrary(ground.document, ground.knowledge());
    for (let from = 0; from < REQUESTS && run.faults.length < FAULTS_MAX; from += LOOK_EVERY) {
      await ground.prepare();
      const numRuns = Math.min(LOOK_EVERY, REQUESTS - from);
      // One seed per part, for making all of a long run at once would hold the process for many seconds.
      const part = fc.sample(requests, { seed: SEED + from, numRuns });
      for (let at = 0; at < part.length; at += REFUSAL_EVERY) {
        const [alone, ...together] = part.slice(at, at + REFUSAL_EVERY);
        await run.sendAll(together);
        if (alone !== undefined) await run.sendAlone(alone);
      }
      await run.look();
    }
    expect(run.faults.join("\n")).toBe("");
    // A run whose requests are nearly all refused, or nearly all taken, proves little.
    expect(run.share(200, 299)).toBeGreaterThan(0.1);
    expect(run.share(400, 499)).toBeGreaterThan(0.3);
    expect(run.refusalsLookedAt).toBeGreaterThan(REQUESTS / REFUSAL_EVERY / 4);
    expect(run.busy / REQUESTS).toBeLessThan(BUSY_SHARE_MAX);
    if (process.env.FUZZ_REQUESTS !== undefined)
      process.stderr.write(
        `${REQUESTS} requests, FUZZ_SEED=${SEED}: answers by status ${JSON.stringify(Object.fromEntries(run.statuses))}, ` +
          `sent again because a store was busy ${run.busy}, refusals looked behind ${run.refusalsLookedAt}\n`,
      );
  },
  // Ten times what a quiet machine takes: it ends a run that hangs, and says nothing about speed.
  120_000 + REQUESTS * 200,
);
