import type {
  DeliveryOutcome,
  EventAttributes,
  ExecuteResponse,
  Flag,
  FlatEvent,
  InitializeResponse,
} from "@plugboard/contract";
import type { Logger } from "@plugboard/runtime";
import type { Pool } from "pg";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { OutcomeReport } from "../delivery/outcome-publisher.ts";
import { type Received, type RecordCopy, receive } from "../delivery/received.ts";
import type { RetryLimits } from "../delivery/retry-schedule.ts";
import type { ContextParts } from "../handlers/handler-context.ts";
import { execute, runAction, settingsCheck } from "../http/plugin-app.ts";
import type { Injected, ResourceMap } from "../resources/resource.ts";
import { TeamSettings } from "../settings/team-settings.ts";
import type { PluginDatabase } from "../store/connect-database.ts";
import { SettingsStore } from "../store/settings-store.ts";
import { routedRecord, type TestEvent, testEvent, type WholeTestEvent } from "./event-fixtures.ts";
import type { FakeClock } from "./fake-clock.ts";
import { harnessDelivery } from "./harness-delivery.ts";
import { harnessEnablements, type TestEnablement } from "./harness-enablements.ts";
import { TestTeams } from "./stand-ins.ts";

/** What became of one delivery, so far. */
export interface TestOutcome {
  readonly deliveryId: string;
  /** `waiting`: no attempt was made; `reason` says for what it waits. */
  readonly outcome: DeliveryOutcome | "waiting";
  /** 0 where the handler was not called. */
  readonly attempt: number;
  readonly reason: string | null;
  /** For `retry` and `waiting`: until it is due, milliseconds; else null. */
  readonly dueInMs: number | null;
}

/** A dead letter as it would have been written. */
export interface TestDeadLetter {
  readonly deliveryId: string;
  readonly reason: string;
  readonly detail: string;
  readonly attempts: number;
}

/** A response that the plugin sent back to its collector. */
export interface TestFlags {
  readonly team: string;
  readonly event: EventAttributes;
  readonly flags: readonly Flag[];
}

/** The plugin's retries; the SDK's defaults where left out. */
export type HarnessRetries = Partial<RetryLimits>;

export interface HarnessParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly database: PluginDatabase;
  readonly clock: FakeClock;
  readonly resources: Injected<ResourceMap>;
  readonly retries: HarnessRetries;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  readonly close: () => Promise<void>;
}

const RETRIES: RetryLimits = { delayMs: 2_000, delayMsMax: 3_600_000, attemptsMax: 14, ageMsMax: 86_400_000 };
const TEAM = "team-1";

/** A plugin under test; see {@link startHarness}. */
export class Harness<Schema extends z.ZodObject> {
  readonly clock: FakeClock;
  /** The plugin's own schema, as its handlers have it. */
  readonly db: Pool;
  /** Every outcome so far, in order. */
  readonly outcomes: TestOutcome[] = [];
  readonly deadLetters: TestDeadLetter[] = [];
  readonly flags: TestFlags[] = [];
  readonly #plugin: string;
  readonly #parts: HarnessParts<Schema>;
  readonly #teams: TestTeams;
  readonly #contexts: ContextParts;
  readonly #settings: TeamSettings<Schema>;
  readonly #delivery: ReturnType<typeof harnessDelivery<Schema>>;
  readonly #enablements: ReturnType<typeof harnessEnablements<Schema>>;
  #settingsVersion = 0;

  constructor(parts: HarnessParts<Schema>) {
    const { definition, database, clock, resources, logger, stopping } = parts;
    this.#parts = parts;
    this.#plugin = definition.metadata.id;
    this.clock = clock;
    this.db = database.handlers;
    this.#teams = new TestTeams(this.#plugin);
    const flag: ContextParts["flag"] = async (team, event, flags) => void this.flags.push({ team, event, flags });
    this.#contexts = { logger, db: database.handlers, resources, flag };
    this.#settings = new TeamSettings({
      schema: definition.settings,
      store: new SettingsStore(database.sdk),
      keys: null,
      clock,
      check: settingsCheck(definition, this.#contexts, stopping),
      onApplied: () => {},
      onUnreadable: () => {},
    });
    const limits = { ...RETRIES, ...parts.retries };
    this.#enablements = harnessEnablements({ ...parts, settings: this.#settings, contexts: this.#contexts, limits });
    this.#delivery = harnessDelivery({
      ...parts,
      teams: this.#teams,
      settings: this.#settings,
      contexts: this.#contexts,
      limits,
      report: (received, report) => this.#report(received, report),
      deadLetter: (record, { reason, detail, attempts }) => {
        const { id: deliveryId } = this.#receive(record);
        this.deadLetters.push({ deliveryId, reason, detail, attempts });
      },
    });
  }

  /** Delivers an event as if it came from the plugin's topic, and answers what became of it. The same `id` twice is a copy. */
  async deliver(event: TestEvent = {}): Promise<TestOutcome> {
    const [outcome] = await this.deliverAll([event]);
    if (outcome === undefined) throw new Error("no outcome of a delivery");
    return outcome;
  }

  /** Delivers several at once: different responses beside each other, as in a process. */
  async deliverAll(events: readonly TestEvent[]): Promise<TestOutcome[]> {
    const received = events.map((event) => this.#routed(this.#whole(event)));
    const before = this.outcomes.length;
    await Promise.all(received.map((one) => this.#delivery.attempt(one)));
    // What is given up is settled when its dead letter is written: that is due at once.
    await this.#delivery.runDue();
    return await Promise.all(received.map(({ id }) => this.#latest(id, before)));
  }

  /** Moves time on, attempts what is due by then, and answers what became of that, in order. */
  async advance(ms: number): Promise<TestOutcome[]> {
    this.clock.advance(ms);
    await this.#delivery.age(ms);
    await this.#enablements.age(ms);
    const before = this.outcomes.length;
    await this.#delivery.runDue();
    return this.outcomes.slice(before);
  }

  /** Gives a team settings, as the manager does; what waited for them is due at the next `advance`. */
  async configure(settings: z.input<Schema>, team: string = TEAM): Promise<InitializeResponse> {
    this.#settingsVersion += 1;
    const version = this.#settingsVersion;
    const answer = await this.#settings.initialize({ team, version, settings: settings as Record<string, unknown> });
    await this.#delivery.wake(team);
    if (answer.status === "applied") await this.#enablements.wake(team);
    return answer;
  }

  /** Every team has the plugin enabled until it is disabled here. Answers what became of `onEnable`. */
  async enable(team: string = TEAM): Promise<TestEnablement> {
    return await this.#switch(team, true);
  }

  async disable(team: string = TEAM): Promise<TestEnablement> {
    return await this.#switch(team, false);
  }

  async #switch(team: string, enabled: boolean): Promise<TestEnablement> {
    this.#teams.set(team, enabled);
    return await this.#enablements.tell(team, enabled);
  }

  /** How a team's last change stands; a change that waits or failed is attempted by `advance`. */
  async enablement(team: string = TEAM): Promise<TestEnablement> {
    return await this.#enablements.of(team);
  }

  /** Calls an action as a team does. @throws Failure as the team would be told. */
  async action(name: string, input: unknown = {}, team: string = TEAM): Promise<unknown> {
    return await runAction(this.#answering, name, { team, input });
  }

  /** Asks `execute` as a submit does. */
  async submit(event: TestEvent = {}): Promise<ExecuteResponse> {
    const { id, team, type, form, response, revision, time, data } = this.#whole(event);
    const flat = { id, team_id: team, event: type, form_id: form, response_id: response, revision, occurred_at: time };
    const given = Object.fromEntries(Object.entries({ ...flat, data }).filter(([, value]) => value !== null));
    return await execute(this.#answering, { event: given as unknown as FlatEvent });
  }

  /** Runs `onStop` and removes everything. */
  async close(): Promise<void> {
    await this.#parts.close();
  }

  get #answering() {
    const { definition, stopping } = this.#parts;
    return { definition, settings: this.#settings, contexts: this.#contexts, flatSource: "core", stopping };
  }

  #whole(event: TestEvent): WholeTestEvent {
    const [type = "onResponse"] = this.#parts.definition.metadata.events;
    return testEvent({ type, ...event });
  }

  #routed(event: WholeTestEvent): Received {
    const { key, value, headers } = routedRecord(this.#plugin, event, this.#teams.routeVersion);
    return this.#receive({
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(value),
      headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const),
      readFrom: `plugin.${this.#plugin}/0/${event.id}`,
    });
  }

  #receive(record: RecordCopy): Received {
    const received = receive(record, this.#plugin, "core");
    if (received.kind === "malformed") throw new Error(`the test's event is none: ${received.problems.join("; ")}`);
    return received;
  }

  #report(received: Received, { outcome, attempt, reason, retryAt }: OutcomeReport): void {
    const dueInMs = retryAt === null ? null : Date.parse(retryAt) - this.clock.now();
    this.outcomes.push({ deliveryId: received.id, outcome, attempt, reason, dueInMs });
  }

  async #latest(deliveryId: string, since: number): Promise<TestOutcome> {
    const told = this.outcomes.slice(since).findLast((one) => one.deliveryId === deliveryId);
    if (told !== undefined) return told;
    const waiting = await this.#delivery.waiting(deliveryId);
    const { for: reason = null, dueInMs = null } = waiting ?? {};
    return { deliveryId, outcome: "waiting", attempt: 0, reason, dueInMs };
  }
}
