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
import { keepSecrets, keptPlaceholder, replaceSecrets, schemaWithKept, withoutNullSecrets } from "./sealed-settings.ts";
import { type SecretPlace, secretPlaces } from "./secret-places.ts";
import { settingsGiven, withoutSettings } from "./settings-state.ts";
import { unstorable } from "./storable-json.ts";

export type EnablementBody = z.output<typeof enablementSchema>;

/** Times that settings are checked and sealed before a plugin that changes meanwhile is a conflict. */
const CONFIGURE_ATTEMPTS_MAX = 3;

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
    const problems = [filterProblemItem(problem)];
    throw new Failure("invalid-filter", `the filter is wrong at ${placeOf(problem)}`, { problems });
  }

  /**
   * Stores a team's settings and leaves them to be sent to the plugin. Secrets are sealed before anything is stored; one
   * that is left out keeps its value; one that is null goes, unless null is a value that its schema takes.
   */
  async configure(team: string, plugin: string, body: JsonObject): Promise<TeamPluginPair> {
    for (let attempt = 1; ; attempt += 1) {
      const pair = await this.#configureOnce(team, plugin, body);
      if (pair !== "registered-anew") return pair;
      // A plugin that rotates its key does so once; one that registers over and over is not waited for.
      if (attempt === CONFIGURE_ATTEMPTS_MAX)
        throw new Failure("conflict", "the plugin registered anew while the settings were checked");
    }
  }

  async #configureOnce(team: string, plugin: string, body: JsonObject): Promise<TeamPluginPair | "registered-anew"> {
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
    let anew = false;
    const pair = await this.#teams.change(team, plugin, (sight) => {
      assertEnabled(sight);
      anew = !sameSchema(sight.plugin, known.plugin);
      if (anew) return null;
      // Again under the lock: another PUT may have replaced the secrets that this one leaves out.
      const { keep, clear } = this.#refuseSettings(body, sight, places);
      const whole = keep ? keepSecrets(sealed, sight.row.settings, places) : sealed;
      const row: TeamPluginRecord = {
        ...sight.row,
        ...settingsGiven({ ...sight.row }),
        settings: clear ? withoutNullSecrets(whole, body, places) : whole,
        settingsVersion: sight.row.settingsVersion + 1,
      };
      return { row, initialize: true };
    });
    if (pair === null) throw unknownPlugin(plugin);
    if (anew) return "registered-anew";
    this.#onSettings();
    return pair;
  }

  /**
   * @returns whether secrets that are left out are kept: not when the settings fit only without them, as when the team
   * changes from one way of signing in to another. And whether those that are null are deleted: when they fit only then.
   */
  #refuseSettings(
    body: JsonObject,
    { plugin, row }: TeamPluginPair,
    places: readonly SecretPlace[],
  ): { keep: boolean; clear: boolean } {
    const placeholder = keptPlaceholder(this.#nonce);
    const kept = keepSecrets(body, row?.settings ?? null, places, () => placeholder);
    const schema = kept === body ? plugin.settingsSchema : schemaWithKept(plugin.settingsSchema, this.#nonce);
    const unfit = unstorable(body);
    let told: ProblemItem[] = [];
    for (const clear of [false, true])
      for (const keep of [true, false]) {
        const whole = keep ? kept : body;
        const problems = compileSchema(keep ? schema : plugin.settingsSchema).problems(
          clear ? withoutNullSecrets(whole, body, places) : whole,
        );
        if (problems.length === 0 && unfit.length === 0) return { keep, clear };
        // Those of what is most likely meant: what is left out is kept, and what is null goes.
        if (keep) told = [...unfit, ...problems];
      }
    throw new Failure("invalid-settings", `body: ${told.length} problem(s)`, { problems: told });
  }

  async setQuota(team: string, quota: Quota | null): Promise<"current" | "pending"> {
    await this.#teams.setQuota(team, quota);
    return await this.#publication.published(teamKey(team));
  }

  /** @param quota in place of the team's at this plugin; null for the team's. */
  async setPluginQuota(team: string, plugin: string, quota: Quota | null): Promise<"current" | "pending"> {
    const known = await this.#teams.find(team, plugin);
    if (known === null) throw unknownPlugin(plugin);
    // Lifting a limit that nobody set would only leave empty rows.
    if (quota === null && known.row === null) return "current";
    await this.#teams.change(team, plugin, (sight) => {
      if (sight.plugin.status === "deregistered" && quota !== null)
        throw new Failure("deregistered", `plugin ${plugin}`);
      return { row: { ...(sight.row ?? newRow(team, sight.plugin)), quota }, initialize: false };
    });
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
    enabledVersion: before.enabledVersion + (before.enabled === body.enabled ? 0 : 1),
    forms: body.forms === undefined ? before.forms : body.forms && [...new Set(body.forms)],
    filter: body.filter === undefined ? before.filter : body.filter,
    mode: body.mode ?? before.mode,
    onFailure: body.onFailure ?? before.onFailure,
  };
  const problems = modeProblems(body.mode, plugin);
  if (problems.length > 0) throw new Failure("invalid-input", "body: 1 problem(s)", { problems });
  return { row, initialize: false };
}

/** A PUT of an enablement that is not made. */
export type EnablementDraft = z.output<ReturnType<typeof enablementSchema.partial>>;

/** Why a PUT of an enablement would be refused for what it says: all at once, for a draft that is not put. */
export function draftProblems(draft: EnablementDraft, plugin: PluginRecord, checkFilter: FilterCheck): ProblemItem[] {
  const wrong = typeof draft.filter === "string" ? checkFilter(draft.filter) : null;
  return [
    ...unstorable(draft),
    ...(wrong === null ? [] : [filterProblemItem(wrong)]),
    ...modeProblems(draft.mode, plugin),
  ];
}

type WrongFilter = NonNullable<ReturnType<FilterCheck>>;

const placeOf = ({ line, column }: WrongFilter) => `line ${line}, column ${column}`;

function filterProblemItem(problem: WrongFilter): ProblemItem {
  return { path: "/filter", message: `${problem.message} (${placeOf(problem)})` };
}

function modeProblems(mode: EnablementBody["mode"], plugin: PluginRecord): ProblemItem[] {
  if (mode === undefined || mode === "async" || plugin.syncDeadlineMs !== null) return [];
  return [{ path: "/mode", message: `plugin ${plugin.id} does not answer inside the submit: use "async"` }];
}

/** What is stored of a team and a plugin before the team has decided anything. */
export function newRow(teamId: string, plugin: PluginRecord): TeamPluginRecord {
  return {
    teamId,
    pluginId: plugin.id,
    enabled: false,
    enabledVersion: 0,
    forms: null,
    filter: null,
    mode: "async",
    onFailure: "open",
    settings: null,
    settingsVersion: 0,
    quota: null,
    ...withoutSettings(plugin.acceptsEmpty),
  };
}

function sameSchema(one: PluginRecord, other: PluginRecord): boolean {
  return (
    JSON.stringify([one.settingsSchema, one.publicKey]) === JSON.stringify([other.settingsSchema, other.publicKey])
  );
}
