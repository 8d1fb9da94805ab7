import type { InitializeRequest, ProblemItem } from "@plugboard/contract";
import type { Pool } from "pg";

/** Which settings of a team are stored; their content is read apart, when it is not known already. */
export interface SettingsHead {
  readonly version: number;
  readonly state: "applied" | "refused";
  readonly reasons: readonly ProblemItem[];
}

interface HeadRow {
  readonly version: string;
  readonly state: SettingsHead["state"];
  readonly reasons: ProblemItem[];
}

/** A row is dated when its statement begins, and seen when that is committed: longer than a statement may take. */
const COMMIT_MS_MAX = 60_000;

/** Teams' settings in the plugin's own schema, as received: secrets sealed. An older version never replaces a newer. */
export class SettingsStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async head(team: string): Promise<SettingsHead | null> {
    const { rows } = await this.#pool.query<HeadRow>({
      name: "settings-head",
      text: "SELECT version, state, reasons FROM team_settings WHERE team = $1",
      values: [team],
    });
    const [row] = rows;
    return row === undefined ? null : { ...row, version: Number(row.version) };
  }

  /** What was stored in the last milliseconds, and a little before. */
  async changed(
    sinceMs: number,
  ): Promise<readonly (Pick<SettingsHead, "version" | "state"> & { readonly team: string })[]> {
    const { rows } = await this.#pool.query<HeadRow & { readonly team: string }>({
      name: "settings-changed",
      text: "SELECT team, version, state FROM team_settings WHERE updated_at > now() - $1 * interval '1 ms'",
      values: [sinceMs + COMMIT_MS_MAX],
    });
    return rows.map(({ team, version, state }) => ({ team, version: Number(version), state }));
  }

  /** The content of one version; null when another version has taken its place meanwhile. */
  async content(team: string, version: number): Promise<Record<string, unknown> | null> {
    const { rows } = await this.#pool.query<{ settings: Record<string, unknown> }>({
      name: "settings-content",
      text: "SELECT settings FROM team_settings WHERE team = $1 AND version = $2",
      values: [team, version],
    });
    return rows[0]?.settings ?? null;
  }

  /** Puts other seals of the same secrets in place of `before`, unless the settings have changed since. */
  async reseal(
    team: string,
    version: number,
    before: Record<string, unknown>,
    after: Record<string, unknown>,
  ): Promise<void> {
    await this.#pool.query(
      "UPDATE team_settings SET settings = $4 WHERE team = $1 AND version = $2 AND settings::text = $3",
      [team, version, JSON.stringify(before), JSON.stringify(after)],
    );
  }

  /** Stores a version unless a newer one is there; answers what is stored afterwards. */
  async save(
    { team, version, settings }: InitializeRequest,
    state: SettingsHead["state"],
    reasons: readonly ProblemItem[],
  ): Promise<SettingsHead> {
    const { rowCount } = await this.#pool.query(
      `INSERT INTO team_settings AS t (team, version, state, settings, reasons) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (team) DO UPDATE SET version = excluded.version, state = excluded.state,
         settings = excluded.settings, reasons = excluded.reasons, updated_at = now()
       WHERE t.version <= excluded.version`,
      [team, version, state, JSON.stringify(settings), JSON.stringify(reasons)],
    );
    return rowCount === 1 ? { version, state, reasons } : ((await this.head(team)) ?? { version, state, reasons });
  }
}
