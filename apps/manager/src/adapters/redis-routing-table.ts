import { randomUUID } from "node:crypto";
import { CHANGES_KEPT_MAX, Failure, routingKeys } from "@plugboard/contract";
import { evictionFindings } from "@plugboard/routing-table";
import type { Redis } from "ioredis";
import type { PublishResult, RoutingTableWriter, TableState } from "../domain/ports.ts";
import type { RoutingKey, VersionedEntry } from "../domain/routing-entries.ts";
import { BEGIN_REBUILD, FINISH_REBUILD, PUBLISH, WRITE_PAGE } from "./routing-table-scripts.ts";

/** How long a rebuild may be silent before Redis forgets its token, seconds. */
const REBUILD_TOKEN_SECONDS = 60;
/** Keys looked at per SCAN. */
const SCAN_COUNT = 1_000;

/** The routing table in Redis: see contract/routing.ts for its keys. */
export class RedisRoutingTable implements RoutingTableWriter {
  readonly #redis: Redis;
  readonly #keys: ReturnType<typeof routingKeys>;
  readonly #rebuildKey: string;
  readonly #namespace: string;
  readonly #allowUnsafe: boolean;

  /** @param allowUnsafe the setting PLUGBOARD_ALLOW_UNSAFE. */
  constructor(redis: Redis, namespace: string, allowUnsafe: boolean) {
    this.#redis = redis;
    this.#namespace = namespace;
    this.#allowUnsafe = allowUnsafe;
    this.#keys = routingKeys(namespace);
    this.#rebuildKey = this.#keys.ofChange("rebuild");
  }

  async found(): Promise<{ epoch: string | null; seq: number }> {
    const [epoch, seq] = await this.#redis.mget(this.#keys.epoch, this.#keys.seq);
    return { epoch: epoch ?? null, seq: Number(seq ?? -1) };
  }

  async versions(keys: readonly RoutingKey[]): Promise<{ epoch: string | null; versions: readonly (number | null)[] }> {
    const [epoch, ...entries] = await this.#redis.mget(this.#keys.epoch, ...keys.map(this.#keys.ofChange));
    const versions = entries.map((json) => (json === null ? null : Number((JSON.parse(json) as { v: unknown }).v)));
    return { epoch: epoch ?? null, versions };
  }

  async publish(expected: TableState, changes: readonly VersionedEntry[]): Promise<PublishResult> {
    const { seq, changes: stream, epoch, ofChange } = this.#keys;
    const keys = [seq, stream, epoch, ...changes.map(({ key }) => ofChange(key))];
    const entries = changes.flatMap(({ key, v, entry }) => [key, v, JSON.stringify(entry)]);
    const answer = await this.#redis.eval(
      PUBLISH,
      keys.length,
      ...keys,
      expected.epoch,
      expected.seq,
      CHANGES_KEPT_MAX,
      ...entries,
    );
    const [kind, foundEpoch, foundSeq, applied, stale] = answer as [string, string, number, number, number];
    if (kind === "lost") return { kind: "lost", found: { epoch: foundEpoch || null, seq: foundSeq } };
    return { kind: "published", seq: foundSeq, applied, stale };
  }

  /**
   * Removes what is there, writes every page, and only then names the epoch. Entries' versions are not compared.
   * @throws Failure `unavailable` when Redis does not answer, `conflict` when another rebuild takes over.
   */
  async rebuild(
    epoch: string,
    pages: AsyncIterable<readonly VersionedEntry[]>,
  ): Promise<{ seq: number; entries: number }> {
    const token = randomUUID();
    const { seq, changes, epoch: epochKey } = this.#keys;
    const beginning = [seq, changes, epochKey, this.#rebuildKey, token, REBUILD_TOKEN_SECONDS] as const;
    await answered(this.#redis.eval(BEGIN_REBUILD, 4, ...beginning));
    await answered(this.#removeEntries());
    let entries = 0;
    for await (const page of pages) {
      await this.#writePage(token, page);
      entries += page.length;
    }
    const last = await answered(this.#redis.eval(FINISH_REBUILD, 3, seq, epochKey, this.#rebuildKey, token, epoch));
    if (last === -1) throw superseded();
    return { seq: Number(last), entries };
  }

  async #removeEntries(): Promise<void> {
    for (const kind of ["team", "plugin"]) {
      const match = `${escapeGlob(this.#keys.ofChange(kind))}:*`;
      let cursor = "0";
      do {
        const [next, keys] = await this.#redis.scan(cursor, "MATCH", match, "COUNT", SCAN_COUNT);
        if (keys.length > 0) await this.#redis.unlink(...keys);
        cursor = next;
      } while (cursor !== "0");
    }
  }

  async #writePage(token: string, page: readonly VersionedEntry[]): Promise<void> {
    const keys = [this.#rebuildKey, ...page.map(({ key }) => this.#keys.ofChange(key))];
    const values = page.map(({ entry }) => JSON.stringify(entry));
    const parameters = [...keys, token, REBUILD_TOKEN_SECONDS, ...values];
    const answer = await answered(this.#redis.eval(WRITE_PAGE, keys.length, ...parameters));
    if (answer !== "OK") throw superseded();
  }

  async unfit(): Promise<string | null> {
    if (this.#allowUnsafe) return null;
    const [found] = evictionFindings(await this.#redis.info("memory"), this.#namespace);
    return found === undefined ? null : `Redis: ${found.what}. Correct it: ${found.remedy}`;
  }
}

/** Redis may go away at any step of a rebuild, and whoever asked for one is to be told that it did. */
async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new Failure("unavailable", `Redis does not answer: ${(cause as Error).message}`, { cause });
  }
}

function superseded(): Failure {
  return new Failure("conflict", "another rebuild of the routing table took over");
}

function escapeGlob(text: string): string {
  return text.replaceAll(/[\\*?[\]]/g, "\\$&");
}
