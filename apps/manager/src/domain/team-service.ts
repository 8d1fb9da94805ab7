import { randomUUID } from "node:crypto";
import { type enablementSchema, Failure, type ProblemItem, type Quota, TEAM_PLUGINS_MAX } from "@plugboard/contract";
import type { z } from "zod";
import { compileSchema } from "./json-schema.ts";
import { unknownPlugin } from "./plugin-service.ts";
import type {
  FilterCheck,
  PageRequest,
  Publication,
  Sealer,
  TeamPluginDecision,
  TeamPluginPair,
  TeamPluginSight,
  TeamStore,
} from "./ports.ts";
import type { JsonObject, PluginRecord, TeamPluginRecord } from "./records.ts";
import { teamKey } from "./routing-entries.ts";
import { keepSecrets, keptPlaceholder, replaceSecrets, schemaWithKept } from "./sealed-settings.ts";
import { type SecretPlace, secretPlaces } from "./secret-places.ts";
import { settingsGiven, withoutSettings } from "./settings-state.ts";
import { unstorable } from "./storable-json.ts";

export type EnablementBody = z.output<typeof enablementSchema>;

/** What a team may do: switch plugins on and off, narrow them, configure them. */
export class TeamService {
  readonly #teams: TeamStore;
  readonly #sealer: Sealer;
  readonly #publication: Publication;
  readonly #checkFilter: FilterCheck;
  readonly #onSettings: () => void;
  /** Stands for a kept secret while settings are checked; random, so that nobody can send it. */
  readonly #nonce = randomUUID();

  constructor(dependencies: {
    teams: TeamStore;
    sealer: Sealer;
    publication: Publication;
    checkFilter: FilterCheck;
    /** Called when settings wait to be sent. */
    onSettings: () => void;
  }) {
    this.#teams = dependencies.teams;
    this.#sealer = dependencies.sealer;
    this.#publication = dependencies.publication;
    this.#checkFilter = dependencies.checkFilter;
    this.#onSettings = dependencies.onSettings;
  }

  async list(team: string, page: PageRequest): Promise<TeamPluginPair[]> {
    return await this.#teams.list(team, page);
  }

  /** A deregistered plugin is shown to a team only while it has it enabled. */
  async find(team: string, plugin: string): Promise<TeamPluginPair> {
    const pair = await this.#teams.find(team, plugin);
    if (pair === null || (pair.plugin.status === "deregistered" && pair.row?.enabled !== true))
      throw unknownPlugin(plugin);
    return pair;
  }

  async enable(
    team: string,
    plugin: string,
    body: EnablementBody,
  ): Promise<{ pair: TeamPluginPair; routing: "current" | "pending" }> {
    const problems = unstorable(body);
    if (problems.length > 0) throw new Failure("invalid-input", `body: ${problems.length} problem(s)`, { problems });
    this.#refuseFilter(body.filter ?? null);
    const pair = await this.#teams.change(team, plugin, (sight) => enablement(team, body, sight));
    if (pair === null) throw unknownPlugin(plugin);
    return { pair, routing: await this.#publication.published(teamKey(team)) };
  }

  #refuseFilter(filter: string | null): void {
    const problem = filter === null ? null : this.#checkFilter(filter);
    if (problem === null) return;
    const place = `line ${problem.line}, column ${problem.column}`;
    const problems = [{ path: "/filter", message: `${problem.message} (${place})` }];
    throw new Failure("invalid-filter", `the filter is wrong at ${place}`, { problems });
  }

  /**
   * Stores a team's settings and leaves them to be sent to the plugin. Secrets are sealed before anything is stored; one
   * that is left out keeps its value.
   */
  async configure(team: string, plugin: string, body: JsonObject): Promise<TeamPluginPair> {
    const known = await this.#teams.find(team, plugin);
    if (known === null) throw unknownPlugin(plugin);
    assertEnabled(known);
    const { settingsSchema, publicKey } = known.plugin;
    const { places } = secretPlaces(settingsSchema);
    this.#refuseSettings(body, known, places);
    const sealed = await replaceSecrets(body, places, async (secret) => {
      if (publicKey === null) throw new Error(`plugin ${plugin} has secrets and no public key`);
      return { $sealed: await this.#sealer.seal(publicKey, secret) };
    });
    const pair = await this.#teams.change(team, plugin, (sight) => {
      assertEnabled(sight);
      if (!sameSchema(sight.plugin, known.plugin))
        throw new Failure("conflict", "the plugin registered anew while the settings were checked");
      // Again under the lock: another PUT may have replaced the secrets that this one leaves out.
      const keeps = this.#refuseSettings(body, sight, places);
      const row: TeamPluginRecord = {
        ...sight.row,
        ...settingsGiven({ ...sight.row }),
        settings: keeps ? keepSecrets(sealed, sight.row.settings, places) : sealed,
        settingsVersion: sight.row.settingsVersion + 1,
      };
      return { row, initialize: true };
    });
    if (pair === null) throw unknownPlugin(plugin);
    this.#onSettings();
    return pair;
  }

  /**
   * @returns whether secrets that are left out are kept: not when the settings fit only without them, as when the team
   * changes from one way of signing in to another.
   */
  #refuseSettings(body: JsonObject, { plugin, row }: TeamPluginPair, places: readonly SecretPlace[]): boolean {
    const placeholder = keptPlaceholder(this.#nonce);
    const whole = keepSecrets(body, row?.settings ?? null, places, () => placeholder);
    const schema = whole === body ? plugin.settingsSchema : schemaWithKept(plugin.settingsSchema, this.#nonce);
    const unfit = unstorable(body);
    const problems: ProblemItem[] = [...unfit, ...compileSchema(schema).problems(whole)];
    if (problems.length === 0) return true;
    if (unfit.length === 0 && compileSchema(plugin.settingsSchema).problems(body).length === 0) return false;
    throw new Failure("invalid-settings", `body: ${problems.length} problem(s)`, { problems });
  }

  async setQuota(team: string, quota: Quota | null): Promise<"current" | "pending"> {
    await this.#teams.setQuota(team, quota);
    return await this.#publication.published(teamKey(team));
  }
}

type EnabledPair<T> = T & { readonly row: TeamPluginRecord };

/** @throws Failure `deregistered` or `not-enabled`. */
export function assertEnabled<T extends TeamPluginPair | TeamPluginSight>(pair: T): asserts pair is EnabledPair<T> {
  if (pair.plugin.status === "deregistered") throw new Failure("deregistered", `plugin ${pair.plugin.id}`);
  if (pair.row?.enabled !== true) throw new Failure("not-enabled", `plugin ${pair.plugin.id}`);
}

function enablement(team: string, body: EnablementBody, sight: TeamPluginSight): TeamPluginDecision {
  const { plugin, enabledCount } = sight;
  const before = sight.row ?? newRow(team, plugin);
  if (plugin.status === "deregistered" && body.enabled) throw new Failure("deregistered", `plugin ${plugin.id}`);
  if (body.enabled && !before.enabled && enabledCount >= TEAM_PLUGINS_MAX)
    throw new Failure("conflict", `the team has ${TEAM_PLUGINS_MAX} plugins enabled, the most there can be`);
  const row: TeamPluginRecord = {
    ...before,
    enabled: body.enabled,
    forms: body.forms === undefined ? before.forms : body.forms && [...new Set(body.forms)],
    filter: body.filter === undefined ? before.filter : body.filter,
    mode: body.mode ?? before.mode,
    onFailure: body.onFailure ?? before.onFailure,
  };
  if (row.mode !== "async" && plugin.syncDeadlineMs === null && body.mode !== undefined) {
    const problems = [{ path: "/mode", message: `plugin ${plugin.id} does not answer inside the submit: use "async"` }];
    throw new Failure("invalid-input", "body: 1 problem(s)", { problems });
  }
  return { row, initialize: false };
}

function newRow(teamId: string, plugin: PluginRecord): TeamPluginRecord {
  return {
    teamId,
    pluginId: plugin.id,
    enabled: false,
    forms: null,
    filter: null,
    mode: "async",
    onFailure: "open",
    settings: null,
    settingsVersion: 0,
    ...withoutSettings(plugin.acceptsEmpty),
  };
}

function sameSchema(one: PluginRecord, other: PluginRecord): boolean {
  return (
    JSON.stringify([one.settingsSchema, one.publicKey]) === JSON.stringify([other.settingsSchema, other.publicKey])
  );
}
