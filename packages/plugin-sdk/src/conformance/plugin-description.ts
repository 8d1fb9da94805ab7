import type { CoreCommand } from "@plugboard/contract";
import type { TestEvent } from "../testing/event-fixtures.ts";

/** What the suite looks at, one name for each check, in the order in which they run. */
export const CHECK_NAMES = [
  "registration",
  "metadata",
  "signature",
  "settings-refusal",
  "disabled",
  "duplicate",
  "lanes",
  "revision-fence",
  "retry",
  "dead-letter",
  "not-an-event",
  "slow-team",
  "outcomes",
  "drain",
  "crash-before-effect",
  "crash-after-effect",
  "secrets",
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** A plugin as the suite has to know it: how it is started, what it makes of an event, and what it promises. */
export interface PluginDescription {
  readonly id: string;
  readonly process: ProcessDescription;
  /**
   * What becomes of an effect whose attempt was cut short.
   *
   * - `at-least-once`: it is repeated under the same key (the SDK's `redeliver: "safe"`), and is `delivered`.
   * - `at-most-once`: it is not repeated (`redeliver: "unsafe"`), and is `unknown`.
   * - `exactly-once`: it is committed with the delivery's record (`transaction`) or looked up (`resolveUnknown`), and is `delivered`.
   */
  readonly effect: "at-least-once" | "at-most-once" | "exactly-once";
  /** Whether an older revision of a response may follow a newer one. */
  readonly revisions: "latest" | "all";
  /** The third party it calls for each delivery; null when there is none. */
  readonly vendor: VendorDescription | null;
  /** Settings for a team of the suite's. */
  readonly settings: (team: string, vendorUrl: string) => TeamSettingsDescription;
  /** What an event of this response must be like to have an effect; a new event of type `onResponse` with an answer unless said. */
  readonly event?: (response: string, team: string) => Pick<TestEvent, "type" | "form" | "data">;
  /** What an event must be like that the plugin itself rejects, as the team's fault. */
  readonly rejected?: (response: string, team: string) => TestEvent;
  /**
   * How often a response's effect has happened, where that is not the vendor's to count: distinct keys of calls for
   * `at-least-once`, calls for the others.
   */
  readonly effects?: (response: string, look: EffectLook) => number | Promise<number>;
  /** Checks that make no sense for this plugin, each with the reason. */
  readonly notApplicable?: Readonly<Partial<Record<CheckName, string>>>;
}

/** One process of the plugin: the suite starts it, kills it, and starts it again. */
export interface ProcessDescription {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /**
   * Its whole environment, but for PATH and HOME.
   * @param given what the suite says, under the SDK's names: see docs/plugin-protocol.md.
   */
  readonly environment: (
    given: Readonly<Record<string, string>>,
    vendorUrl: string,
  ) => Readonly<Record<string, string>>;
}

export interface TeamSettingsDescription {
  /** Settings that the plugin applies. Secrets are sealed by the suite, as the manager does it. */
  readonly valid: Readonly<Record<string, unknown>>;
  /** Settings that fit the schema and that the plugin refuses. */
  readonly refused?: Readonly<Record<string, unknown>>;
}

/** A request that the vendor got. */
export interface VendorRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface VendorAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An effect that a request has. `key`: what the vendor tells effects apart by, so that the same one does not happen twice. */
export interface VendorEffect {
  readonly response: string;
  readonly key: string;
}

/** How the third party answers. The suite's server plays it: it counts effects, and withholds or replaces answers. */
export interface VendorDescription {
  /** Does what is asked, as the vendor would. */
  readonly done: (request: VendorRequest) => VendorAnswer | Promise<VendorAnswer>;
  /** The answer after which the plugin is to try again later; the request has had no effect. */
  readonly notNow: VendorAnswer;
  /** The answer after which trying again is of no use; null when the vendor has none. */
  readonly refused: VendorAnswer | null;
  /**
   * The effects of a request. Unless said: one for each of the suite's response ids in a request that is not a GET, its
   * key the header `idempotency-key`, or the response where there is none.
   */
  readonly effectsOf?: (request: VendorRequest) => readonly VendorEffect[];
  /** The team for which a request without effects is made; null for what belongs to no delivery. */
  readonly teamOf?: (request: VendorRequest) => string | null;
}

/** What the effects can be counted by. */
export interface EffectLook {
  /** Calls an action of the plugin as the manager does, and answers its output. */
  readonly action: (team: string, name: string, input: Record<string, unknown>) => Promise<unknown>;
  /** What the plugin has written to `core.commands` about a response. */
  readonly commands: (response: string) => Promise<readonly CoreCommand[]>;
}
