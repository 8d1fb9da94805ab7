import {
  Failure,
  type Heartbeat,
  LEASE_SECONDS,
  type leaseResponseSchema,
  type RegistrationResponse,
} from "@plugboard/contract";
import type { Clock, Logger } from "@plugboard/runtime";
import type { z } from "zod";
import { followSettingsSchema } from "./invalidated-settings.ts";
import type {
  Lease,
  LeaseStore,
  PluginCalls,
  PluginDraft,
  PluginStore,
  Publication,
  Sealer,
  SettingsUnderLock,
  TeamStore,
  TopicDeletions,
  TopicStore,
} from "./ports.ts";
import type { JsonObject, PluginRecord, PluginStatus } from "./records.ts";
import {
  decideApproval,
  type RegistrationBody,
  registered,
  registrationProblems,
  sameJson,
  type WaitingChange,
  waitingChanges,
} from "./registration.ts";
import { pluginKey } from "./routing-entries.ts";
import { withoutSettings } from "./settings-state.ts";
import type { InitializeQueue } from "./work-queues.ts";

/** How long after leaving the table a plugin's topics may still be written to: the readers' staleness bound, ms. */
const STALENESS_MS_MAX = 5_000;
/** Teams whose settings state follows a new schema in one transaction each; more are taken by the next registration. */
const FOLLOWING_TEAMS_MAX = 10_000;
const FOLLOWING_PAGE = 200;

export interface PluginServiceDependencies {
  readonly plugins: PluginStore;
  readonly teams: TeamStore;
  readonly leases: LeaseStore;
  readonly topics: TopicStore;
  readonly deletions: TopicDeletions;
  readonly initializes: InitializeQueue;
  readonly calls: PluginCalls;
  readonly sealer: Sealer;
  readonly publication: Publication;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a plugin may change its own url and key, or an admin has to approve. */
  readonly changesWait: boolean;
}

/** What is known of a plugin's instances; `known` is false while Redis does not answer. */
export interface Liveness {
  readonly known: boolean;
  readonly of: (plugin: string) => readonly Lease[];
}

/** The registry: plugins, their instances, their topics. */
export class PluginService {
  readonly #use: PluginServiceDependencies;

  constructor(dependencies: PluginServiceDependencies) {
    this.#use = dependencies;
  }

  /**
   * Registers a plugin, or takes over what it says of itself now.
   * @param how.byAdmin an admin's changes of url and key need no approval.
   * @param how.force takes a settings schema that some teams' settings do not fit.
   * @throws Failure `settings-invalidated` for such a schema; what was registered before stands.
   */
  async register(
    id: string,
    body: RegistrationBody,
    how: { readonly byAdmin: boolean; readonly force: boolean },
  ): Promise<{ response: RegistrationResponse; created: boolean; routing: "current" | "pending" }> {
    const { plugins, deletions, initializes, calls, publication } = this.#use;
    await this.#check(id, body);
    // Topics first: a route to a topic that does not exist would hold a router up. A deletion under way is waited for.
    await deletions.cancel(id);
    const names = await this.#topicsOf(id);
    let created = false;
    const plugin = await plugins.change(id, async (current, stored) => {
      created = current === null;
      if (current !== null && !sameJson(current.settingsSchema, body.settings)) {
        const sentAgain = await followSettingsSchema(id, body.settings, stored, how.force);
        if (sentAgain > 0)
          this.#use.logger.warn(
            { plugin: id, teams: sentAgain },
            "settings that do not fit the new schema are sent again",
          );
      }
      const draft = registered(id, body, current, this.#use.changesWait && !how.byAdmin);
      if (current !== null && !sameJson(current.publicKey, draft.publicKey)) await stored.resealAll();
      // From now on it wants to know: also of those that switched it on before.
      if (draft.toldEnablements && current?.toldEnablements === false) await stored.tellEnabled();
      return draft;
    });
    await deletions.cancel(id);
    await this.#followSchema(plugin);
    await initializes.hurry(id);
    return {
      created,
      routing: await publication.published(pluginKey(id)),
      response: {
        id,
        topics: names,
        leaseSeconds: LEASE_SECONDS,
        webhookSecret: calls.webhookSecret(id),
        pendingApproval: waitingChanges(plugin.pendingApproval),
      },
    };
  }

  async #check(id: string, body: RegistrationBody): Promise<void> {
    const problems = registrationProblems(id, body);
    const keyProblem = body.publicKey === null ? null : await this.#use.sealer.problem(body.publicKey);
    if (keyProblem !== null) problems.push({ path: "/publicKey", message: keyProblem });
    if (problems.length > 0) throw new Failure("invalid-input", `body: ${problems.length} problem(s)`, { problems });
  }

  async #topicsOf(id: string): ReturnType<TopicStore["ensure"]> {
    try {
      return await this.#use.topics.ensure(id);
    } catch (error) {
      throw new Failure("unavailable", `Kafka did not create the plugin's topic: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Teams that gave no settings follow the schema: `missing` and `not-required` may change places. */
  async #followSchema(plugin: PluginRecord): Promise<void> {
    const { plugins, teams, logger } = this.#use;
    const outdated = plugin.acceptsEmpty ? "missing" : "not-required";
    for (let followed = 0; followed < FOLLOWING_TEAMS_MAX; followed += FOLLOWING_PAGE) {
      const page = await plugins.teamsInState(plugin.id, outdated, FOLLOWING_PAGE);
      for (const team of page) {
        await teams.change(team, plugin.id, ({ plugin: current, row }) =>
          row === null || row.state !== outdated
            ? null
            : { row: { ...row, ...withoutSettings(current.acceptsEmpty) }, initialize: false },
        );
      }
      if (page.length < FOLLOWING_PAGE) return;
    }
    logger.warn({ plugin: plugin.id }, "many teams still follow the earlier settings schema; register again");
  }

  /** Counts an instance, and tells it whose registration stands: of two versions side by side, that of one. */
  async renew(id: string, instance: string, runs: Heartbeat): Promise<z.infer<typeof leaseResponseSchema>> {
    const { version } = await this.#registered(id);
    const leases = await answeredByRedis(() => this.#use.leases.renew(id, instance, runs));
    const own = leases.find((lease) => lease.instance === instance);
    // Who does not say what it runs may be of any version.
    const alive = leases.some((lease) => (lease.runs.version ?? version) === version);
    const expiresAt = (own?.expiresAt ?? new Date(this.#use.clock.now())).toISOString();
    return { instance, expiresAt, instances: leases.length, standing: { version, alive } };
  }

  async release(id: string, instance: string): Promise<number> {
    await this.#registered(id);
    return await answeredByRedis(() => this.#use.leases.release(id, instance));
  }

  /**
   * Maintenance, and an admin's answer to changes that wait. With a new key, teams' secrets are sealed anew.
   * @throws Failure `key-not-held` while an instance lives that could not open what would be sealed from then on.
   */
  async patch(
    id: string,
    patch: {
      readonly status?: "enabled" | "disabled" | undefined;
      readonly approve?: boolean | readonly WaitingChange[] | undefined;
    },
  ): Promise<{ plugin: PluginRecord; routing: "current" | "pending" }> {
    const lives = patch.approve === undefined || patch.approve === false ? [] : await this.#instances(id);
    const plugin = await this.#change(id, async (current, stored) => {
      if (current.status === "deregistered") throw new Failure("deregistered", `plugin ${id}`);
      const decided = patch.approve === undefined ? current : decideApproval(current, patch.approve);
      if (!sameJson(decided.publicKey, current.publicKey)) {
        refuseUnheldKey(decided.publicKey, lives);
        await stored.resealAll();
      }
      return { ...decided, status: patch.status ?? current.status };
    });
    if (patch.approve !== undefined && patch.approve !== false) await this.#use.initializes.hurry(id);
    return { plugin, routing: await this.#use.publication.published(pluginKey(id)) };
  }

  /** Takes a plugin out of the table; its topics go later, and only if asked. Harmless when repeated. */
  async deregister(
    id: string,
    deleteTopics: boolean,
  ): Promise<{ status: PluginStatus; topics: "kept" | "deleting"; routing: "current" | "pending" }> {
    await this.#change(id, (current) => ({ ...current, status: "deregistered", pendingApproval: null }));
    const routing = await this.#use.publication.published(pluginKey(id));
    if (deleteTopics) {
      const dueAt = new Date(this.#use.clock.now() + STALENESS_MS_MAX);
      await this.#use.deletions.schedule(id, dueAt);
    }
    return { status: "deregistered", topics: deleteTopics ? "deleting" : "kept", routing };
  }

  async #instances(id: string): Promise<readonly Lease[]> {
    return (await answeredByRedis(() => this.#use.leases.live([id]))).get(id) ?? [];
  }

  async #change(
    id: string,
    decide: (current: PluginRecord, stored: SettingsUnderLock) => PluginDraft | Promise<PluginDraft>,
  ): Promise<PluginRecord> {
    return await this.#use.plugins.change(id, async (current, stored) => {
      if (current === null) throw unknownPlugin(id);
      const { registeredAt: _, updatedAt: __, ...draft } = (await decide(current, stored)) as PluginRecord;
      return draft;
    });
  }

  async find(id: string): Promise<PluginRecord> {
    const plugin = await this.#use.plugins.find(id);
    if (plugin === null) throw unknownPlugin(id);
    return plugin;
  }

  async #registered(id: string): Promise<PluginRecord> {
    const plugin = await this.find(id);
    if (plugin.status === "deregistered") throw new Failure("deregistered", `plugin ${id}`);
    return plugin;
  }

  /** Live instances of many plugins at once; a hint, so a Redis that does not answer is told and not thrown. */
  async liveness(ids: readonly string[]): Promise<Liveness> {
    try {
      const leases = await this.#use.leases.live(ids);
      return { known: true, of: (plugin) => leases.get(plugin) ?? [] };
    } catch (error) {
      this.#use.logger.warn({ error }, "Redis does not tell the live instances");
      return { known: false, of: () => [] };
    }
  }
}

/** Instances named in a refusal. */
const INSTANCES_NAMED_MAX = 20;

/** Instances that do not say which keys they hold are taken at the admin's word. */
function refuseUnheldKey(key: JsonObject | null, lives: readonly Lease[]): void {
  const without = lives.filter(({ runs: { keys } }) => keys !== undefined && !keys.includes(String(key?.kid)));
  if (without.length === 0) return;
  const named = without.slice(0, INSTANCES_NAMED_MAX).map(({ instance }) => instance);
  throw new Failure("key-not-held", `${without.length} live instance(s) lack it: ${named.join(", ")}`);
}

export function unknownPlugin(id: string): Failure {
  return new Failure("not-found", `there is no plugin "${id}"`);
}

async function answeredByRedis<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Failure("unavailable", "Redis, which counts the instances, does not answer; nothing else depends on it", {
      cause: error,
    });
  }
}
