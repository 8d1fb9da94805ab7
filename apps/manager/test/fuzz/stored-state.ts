import { routingKeys } from "@plugboard/contract";
import { Redis } from "ioredis";
import type { Client } from "pg";

/** Every table and what of it only a request changes; what a loop moves on by itself is left out. */
const TABLES = {
  plugins: "t::text",
  teams: "t::text",
  team_plugins: "t::text",
  routing_entries: "t::text",
  routing_history: "t::text",
  routing_outbox: "t::text",
  initialize_outbox: "concat_ws('|', t.team_id, t.plugin_id, t.version)",
} as const;

/** What stands in Postgres at one moment; see {@link changeBetween}. */
export interface StoredSnapshot {
  readonly tables: Readonly<Record<string, string>>;
  readonly deletions: readonly string[];
}

/** The tables that differ. Deletions of topics come due by themselves, so one that has gone is no difference. */
export function changeBetween(before: StoredSnapshot, after: StoredSnapshot): string[] {
  const added = after.deletions.some((row) => !before.deletions.includes(row));
  return [
    ...Object.keys(after.tables).filter((table) => before.tables[table] !== after.tables[table]),
    ...(added ? ["topic_deletions"] : []),
  ];
}

/** The manager's state as it stands in Postgres and Redis, and what must always be true of it. */
export class StoredState {
  readonly #client: Client;
  readonly #redis: Redis;
  readonly #namespace: string;

  constructor(client: Client, redisUrl: string, namespace: string) {
    this.#client = client;
    this.#redis = new Redis(redisUrl);
    this.#namespace = namespace;
  }

  close(): void {
    this.#redis.disconnect();
  }

  /** Waits until nothing is on its way: every change relayed, every answer of the plugin at `url` recorded. */
  async settle(url: string, waitMs = 30_000): Promise<void> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const [row] = await this.#rows(
        `SELECT (SELECT count(*) FROM routing_outbox)::int AS changes,
           (SELECT count(*) FROM initialize_outbox o JOIN plugins p ON p.id = o.plugin_id
            WHERE p.status <> 'deregistered' AND (o.attempts = 0 OR p.url = $1))::int AS settings`,
        [url],
      );
      if (row?.changes === 0 && row?.settings === 0) return;
      if (performance.now() > deadline) throw new Error(`still on its way: ${JSON.stringify(row)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Looks while a fault stands that only this connection sees; it is taken back afterwards. */
  async withFault<T>(sql: string, look: () => Promise<T>): Promise<T> {
    await this.#client.query("BEGIN");
    try {
      await this.#client.query(sql);
      return await look();
    } finally {
      await this.#client.query("ROLLBACK");
    }
  }

  async snapshot(): Promise<StoredSnapshot> {
    const parts = Object.entries(TABLES).map(
      ([table, text]) =>
        `SELECT '${table}' AS name, md5(coalesce(string_agg(${text}, E'\\n' ORDER BY ${text}), '')) AS digest FROM ${table} t`,
    );
    const [tables, deletions] = [
      await this.#rows(parts.join(" UNION ALL ")),
      await this.#rows("SELECT plugin_id || ' ' || due_at AS deletion FROM topic_deletions"),
    ];
    return {
      tables: Object.fromEntries(tables.map(({ name, digest }) => [name, digest])),
      deletions: deletions.map(({ deletion }) => deletion),
    };
  }

  /**
   * Everything that is half-stored; empty when all is whole. Call after {@link settle}.
   * @param limited teams that were given a quota at some time: their row may be empty again.
   * @param secretMark text that only secrets hold, so that it must stand nowhere.
   */
  async problems(limited: ReadonlySet<string>, secretMark: string): Promise<string[]> {
    const problems: string[] = [];
    for (const [what, sql] of Object.entries(FORBIDDEN))
      for (const row of await this.#rows(sql)) problems.push(`${what}: ${JSON.stringify(row)}`);
    for (const { id } of await this.#rows(EMPTY_TEAMS))
      if (!limited.has(id)) problems.push(`a team that nobody decided anything about: ${id}`);
    for (const table of Object.keys(TABLES)) {
      const rows = await this.#rows(`SELECT t::text AS row FROM ${table} t WHERE t::text LIKE $1`, [`%${secretMark}%`]);
      for (const { row } of rows) problems.push(`a secret in clear in ${table}: ${row}`);
    }
    return [...problems, ...(await this.#tableProblems())];
  }

  /** Where the routing table in Redis is not the one in Postgres. */
  async #tableProblems(): Promise<string[]> {
    const problems: string[] = [];
    const keys = routingKeys(this.#namespace);
    const rows = await this.#rows("SELECT key, v, entry FROM routing_entries");
    for (const { key, v, entry } of rows) {
      const found = await this.#redis.get(keys.ofChange(key));
      const inRedis = found === null ? null : JSON.parse(found);
      if (JSON.stringify(sorted(inRedis)) !== JSON.stringify(sorted({ ...(entry as object), v })))
        problems.push(`Redis has ${found} for ${key}, Postgres ${JSON.stringify(entry)} as its version ${v}`);
    }
    const known = new Set(rows.map(({ key }) => keys.ofChange(key)));
    for (const kind of ["team", "plugin"])
      for (const key of await this.#redis.keys(`${keys.ofChange(kind)}:*`))
        if (!known.has(key)) problems.push(`Redis has ${key}, Postgres has not`);
    const [state] = await this.#rows("SELECT epoch, seq::int AS seq FROM routing_state");
    const [epoch, seq] = await this.#redis.mget(keys.epoch, keys.seq);
    if (state?.epoch !== epoch || state?.seq !== Number(seq))
      problems.push(`Redis is at ${epoch}/${seq}, Postgres thinks at ${state?.epoch}/${state?.seq}`);
    return problems;
  }

  // biome-ignore lint/suspicious/noExplicitAny: rows of every shape.
  async #rows(sql: string, values: unknown[] = []): Promise<any[]> {
    return (await this.#client.query(sql, values)).rows;
  }
}

const EMPTY_TEAMS =
  "SELECT id FROM teams t WHERE quota_burst IS NULL AND quota_events_per_second IS NULL AND NOT EXISTS (SELECT 1 FROM team_plugins p WHERE p.team_id = t.id)";

/** Rows that must not be there. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  "settings without a version, or a version without settings":
    "SELECT team_id, plugin_id FROM team_plugins WHERE (settings IS NULL) <> (settings_version = 0)",
  "half a quota of a plugin":
    "SELECT team_id, plugin_id FROM team_plugins WHERE (quota_burst IS NULL) <> (quota_events_per_second IS NULL)",
  "half a quota": "SELECT id FROM teams WHERE (quota_burst IS NULL) <> (quota_events_per_second IS NULL)",
  "an entry that is not its latest version":
    "SELECT e.key FROM routing_entries e LEFT JOIN routing_history h ON h.key = e.key AND h.v = e.v WHERE h.key IS NULL OR h.entry::jsonb <> e.entry::jsonb OR h.superseded_at IS NOT NULL",
  "a version that is neither the latest nor superseded":
    "SELECT h.key, h.v FROM routing_history h LEFT JOIN routing_entries e ON e.key = h.key AND e.v = h.v WHERE e.key IS NULL AND h.superseded_at IS NULL",
  "a gap in the versions":
    "SELECT key, count(*)::int AS n, max(v) AS v FROM routing_history GROUP BY key HAVING count(*) <> max(v)",
  "an entry of nothing":
    "SELECT key FROM routing_entries e WHERE NOT EXISTS (SELECT 1 FROM teams WHERE 'team:' || id = e.key) AND NOT EXISTS (SELECT 1 FROM plugins WHERE 'plugin:' || id = e.key)",
  "a plugin without its entry":
    "SELECT id FROM plugins p WHERE NOT EXISTS (SELECT 1 FROM routing_entries e WHERE e.key = 'plugin:' || p.id AND e.entry ->> 'state' = p.status)",
  "a team's entry that is not what the team decided":
    "SELECT t.id FROM teams t LEFT JOIN routing_entries e ON e.key = 'team:' || t.id WHERE coalesce((SELECT string_agg(concat_ws('|', plugin_id, mode, on_failure, ready::text, coalesce(filter, '-'), coalesce(p.quota_burst, t.quota_burst, 0)), E'\\n' ORDER BY plugin_id) FROM team_plugins p WHERE p.team_id = t.id AND enabled), '') <> coalesce((SELECT string_agg(concat_ws('|', x ->> 'id', x ->> 'mode', x ->> 'onFailure', x ->> 'ready', coalesce(x ->> 'filter', '-'), coalesce((x -> 'quota' ->> 'burst')::int, 0)), E'\\n' ORDER BY x ->> 'id') FROM json_array_elements(e.entry -> 'plugins') x), '')",
  "settings on their way of a version that is not stored":
    "SELECT o.team_id, o.plugin_id FROM initialize_outbox o LEFT JOIN team_plugins p USING (team_id, plugin_id) WHERE p.settings_version IS DISTINCT FROM o.version",
  "settings that nobody sends":
    "SELECT p.team_id, p.plugin_id FROM team_plugins p LEFT JOIN initialize_outbox o USING (team_id, plugin_id) WHERE p.settings_state = 'pending' AND o.team_id IS NULL",
  "topics that go although their plugin is here":
    "SELECT d.plugin_id FROM topic_deletions d JOIN plugins p ON p.id = d.plugin_id WHERE p.status <> 'deregistered'",
};

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  );
}
