import { randomBytes } from "node:crypto";
import type { PluginEntry, RoutesResponse, TeamEntry } from "@plugboard/contract";
import type {
  Backlog,
  PublishResult,
  RebuildResult,
  RelayPass,
  RoutesQuery,
  RoutingStore,
  TableState,
} from "../domain/ports.ts";
import { pluginKey, type RoutingKey, teamKey, type VersionedEntry } from "../domain/routing-entries.ts";
import { Prisma } from "../generated/prisma/client.ts";
import type { Database, Transaction } from "./prisma-database.ts";

/** Advisory lock of whoever writes the routing table to Redis; relay and rebuild exclude each other and themselves. */
const PUBLISHER_LOCK = 7_270_736_901n;
/** How long a relay waits for another instance's relay, milliseconds. A rebuild holds the lock longer: then it is "busy". */
const RELAY_LOCK_WAIT_MS_MAX = 800;
/** A holder that stops talking to Postgres (frozen, cut off) loses the lock after this long, milliseconds. */
const HOLDER_SILENCE_MS_MAX = 10_000;
/** Longest a rebuild may take, milliseconds: a million entries at 20,000 a second, ten times over. */
const REBUILD_MS_MAX = 600_000;
/** Entries per page of a rebuild: one statement and one script of about a megabyte. */
const PAGE_ENTRIES = 1_000;

/** The routing table in Postgres: entries, outbox, history, and what Redis should say. */
export class PrismaRoutingStore implements RoutingStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async routes({ teams, plugins }: RoutesQuery): Promise<RoutesResponse> {
    const keys = [...teams.map(teamKey), ...plugins.map(pluginKey)];
    const rows = await this.#database.routingEntry.findMany({
      where: { key: { in: keys } },
      select: { key: true, entry: true },
    });
    const found = new Map(rows.map(({ key, entry }) => [key, entry]));
    return {
      teams: Object.fromEntries(teams.map((id) => [id, (found.get(teamKey(id)) ?? null) as TeamEntry | null])),
      plugins: Object.fromEntries(plugins.map((id) => [id, (found.get(pluginKey(id)) ?? null) as PluginEntry | null])),
    };
  }

  async state(): Promise<TableState | null> {
    return await readState(this.#database);
  }

  async hasPending(key?: RoutingKey): Promise<boolean> {
    const row = await this.#database.routingOutbox.findFirst({
      ...(key === undefined ? {} : { where: { key } }),
      select: { id: true },
    });
    return row !== null;
  }

  async backlog(): Promise<Backlog> {
    const [row] = await this.#database.$queryRaw<{ rows: bigint; age: number | null }[]>`
      SELECT count(*) AS rows, extract(epoch FROM now() - min(created_at))::float8 AS age FROM routing_outbox`;
    return { rows: Number(row?.rows ?? 0), oldestAgeSeconds: Math.max(0, row?.age ?? 0) };
  }

  async relay(
    limit: number,
    publish: (expected: TableState, changes: readonly VersionedEntry[]) => Promise<PublishResult>,
  ): Promise<RelayPass> {
    return await busyWhenLocked(() =>
      this.#database.$transaction(async (transaction): Promise<RelayPass> => {
        await lock(transaction, RELAY_LOCK_WAIT_MS_MAX);
        const rows = await transaction.routingOutbox.findMany({ orderBy: { id: "asc" }, take: limit });
        if (rows.length === 0) return { kind: "idle" };
        const state = await readState(transaction);
        if (state === null) return { kind: "lost" };
        const result = await publish(
          state,
          rows.map(({ key, v, entry }) => ({ key, v, entry: entry as unknown as VersionedEntry["entry"] })),
        );
        if (result.kind === "lost") return { kind: "lost" };
        await transaction.routingOutbox.deleteMany({ where: { id: { in: rows.map(({ id }) => id) } } });
        await transaction.routingState.update({ where: { id: 1 }, data: { seq: result.seq } });
        return { kind: "relayed", applied: result.applied, stale: result.stale, more: rows.length === limit };
      }),
    );
  }

  async rebuild(
    needed: (state: TableState | null, pending: boolean) => Promise<boolean>,
    write: (
      epoch: string,
      pages: AsyncIterable<readonly VersionedEntry[]>,
    ) => Promise<{ seq: number; entries: number }>,
  ): Promise<RebuildResult> {
    return await busyWhenLocked(() =>
      this.#database.$transaction(
        async (transaction): Promise<RebuildResult> => {
          await lock(transaction, RELAY_LOCK_WAIT_MS_MAX);
          const pending = (await transaction.routingOutbox.findFirst({ select: { id: true } })) !== null;
          if (!(await needed(await readState(transaction), pending))) return { kind: "unneeded" };
          const epoch = `${Date.now().toString(36)}-${randomBytes(6).toString("hex")}`;
          const { seq, entries } = await write(epoch, pagesOf(transaction));
          const state = { epoch, seq, rebuiltAt: new Date() };
          await transaction.routingState.upsert({ where: { id: 1 }, create: { id: 1, ...state }, update: state });
          return { kind: "rebuilt", epoch, entries };
        },
        { timeout: REBUILD_MS_MAX },
      ),
    );
  }

  async pruneHistory(before: Date): Promise<number> {
    const { count } = await this.#database.routingHistory.deleteMany({ where: { supersededAt: { lt: before } } });
    return count;
  }
}

/** Entries in the order of their keys, read anew for each page: a rebuild needs no snapshot, the outbox has the rest. */
async function* pagesOf(transaction: Transaction): AsyncGenerator<readonly VersionedEntry[]> {
  let after = "";
  for (;;) {
    const rows = await transaction.routingEntry.findMany({
      where: { key: { gt: after } },
      orderBy: { key: "asc" },
      take: PAGE_ENTRIES,
    });
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ key, v, entry }) => ({ key, v, entry: entry as unknown as VersionedEntry["entry"] }));
    after = last.key;
  }
}

async function lock(transaction: Transaction, waitMsMax: number): Promise<void> {
  await transaction.$queryRaw`SELECT set_config('lock_timeout', ${`${waitMsMax}ms`}, true),
    set_config('idle_in_transaction_session_timeout', ${`${HOLDER_SILENCE_MS_MAX}ms`}, true)`;
  await transaction.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISHER_LOCK})`;
}

async function readState(transaction: Transaction | Database): Promise<TableState | null> {
  const row = await transaction.routingState.findUnique({ where: { id: 1 } });
  return row === null ? null : { epoch: row.epoch, seq: Number(row.seq) };
}

async function busyWhenLocked<T>(work: () => Promise<T>): Promise<T | { kind: "busy" }> {
  try {
    return await work();
  } catch (error) {
    if (isLockTimeout(error)) return { kind: "busy" };
    throw error;
  }
}

/** Postgres 55P03, lock_not_available, as Prisma reports it for raw statements. */
function isLockTimeout(error: unknown): boolean {
  return (
    error instanceof Prisma.PrismaClientKnownRequestError &&
    (error.message.includes("55P03") || error.message.includes("lock timeout"))
  );
}
