import { once } from "node:events";
import { routingKeys } from "@plugboard/contract";
import { type Logger, withDeadline } from "@plugboard/runtime";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { CacheAnswer, PollAnswer, Position, RouteCache, RouteKey } from "../domain/ports.ts";

/** Longest wait for one answer of Redis, milliseconds: a tenth of what staleness may grow to before L1 is distrusted. */
const COMMAND_DEADLINE_MS = 500;
/** Changes in one answer; a reader further behind starts anew, which costs one look-up per team in use. */
const CHANGES_PER_POLL_MAX = 1_000;

/**
 * Epoch, seq and changes of one moment: a script, since three commands could tell of three moments. A reader of another
 * epoch, or too far behind, gets no changes and sees the hole.
 * KEYS: epoch, seq, changes. ARGV: the reader's epoch, its seq, the seq after that, the most changes to answer.
 */
const CHANGES_SINCE = `
local epoch = redis.call('GET', KEYS[1])
local seq = redis.call('GET', KEYS[2]) or '0'
if not epoch then return {'', seq, {}} end
local behind = tonumber(seq) - tonumber(ARGV[2])
if epoch ~= ARGV[1] or behind <= 0 or behind > tonumber(ARGV[4]) then return {epoch, seq, {}} end
return {epoch, seq, redis.call('XRANGE', KEYS[3], ARGV[3] .. '-0', '+')}
`;

const seqSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
const pollSchema = z.tuple([z.string(), seqSchema, z.array(z.tuple([z.string(), z.array(z.string())]))]);

type WithScript = Redis & {
  changesSince(epoch: string, seq: string, changes: string, ...position: string[]): Promise<unknown>;
};

/**
 * L2 on Redis. A command is only sent while the connection is ready, and never waited for longer than its deadline, so
 * nothing piles up while Redis is away, whatever the client's own queue is set to.
 */
export function redisRouteCache(redis: Redis, namespace: string, logger: Logger): RouteCache {
  const keys = routingKeys(namespace);
  redis.defineCommand("changesSince", { numberOfKeys: 3, lua: CHANGES_SINCE });
  // Without a listener a lost connection would end the process; that it is lost is told by the polls that fail.
  redis.on("error", (error) => logger.debug({ error }, "Redis connection"));
  const answered = async <T>(command: () => Promise<T>): Promise<T> => {
    await ready(redis);
    return (await withDeadline(command(), COMMAND_DEADLINE_MS, "Redis did not answer")) as T;
  };

  return {
    async poll(since: Position): Promise<PollAnswer> {
      const position = [since.epoch ?? "", String(since.seq), String(since.seq + 1), String(CHANGES_PER_POLL_MAX)];
      const reply = await answered(() =>
        (redis as WithScript).changesSince(keys.epoch, keys.seq, keys.changes, ...position),
      );
      const [epoch, seq, entries] = pollSchema.parse(reply);
      const changes = entries.map(([id, fields]) => ({
        seq: Number(id.split("-")[0]),
        key: fieldOf(fields, "key"),
        entry: fieldOf(fields, "entry"),
      }));
      return { since, epoch: epoch === "" ? null : epoch, seq, changes };
    },

    async read(wanted: readonly RouteKey[]): Promise<CacheAnswer> {
      const [epoch = null, seq, ...values] = await answered(() =>
        redis.mget(keys.epoch, keys.seq, ...wanted.map((key) => keys.ofChange(key))),
      );
      return { epoch, seq: seqSchema.parse(seq ?? "0"), values };
    },

    async close(): Promise<void> {
      redis.disconnect();
    },
  };
}

/** Waits for a connection that is being made, and fails at once where none is. */
async function ready(redis: Redis): Promise<void> {
  if (redis.status === "ready") return;
  if (redis.status === "end") throw new Error("the connection to Redis is closed");
  // It fails with the connection's own error, which the waiting below sees as well.
  if (redis.status === "wait") redis.connect().catch(() => undefined);
  await once(redis, "ready", { signal: AbortSignal.timeout(COMMAND_DEADLINE_MS) });
}

/** A stream entry's fields are a flat list of names and values. */
function fieldOf(fields: readonly string[], name: string): string {
  for (let at = 0; at + 1 < fields.length; at += 2) if (fields[at] === name) return fields[at + 1] ?? "";
  return "";
}
