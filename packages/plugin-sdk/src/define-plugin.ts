import type { EventAttributes, ExecuteResponse, Flag, ProblemItem } from "@plugboard/contract";
import type { Logger } from "@plugboard/runtime";
import type { Pool, PoolClient } from "pg";
import type { z } from "zod";
import type { Outcome } from "./outcome.ts";
import type { Injected, NoResources, ResourceMap } from "./resources/resource.ts";

/** What a plugin says of itself; with the settings' schema and the actions it becomes the registration. */
export interface PluginMetadata {
  /** 1 to 64 of a-z, 0-9, "-": names the topics `plugin.<id>` and the database schema `plugin_<id>`. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly version: string;
  /** The events it wants: `onResponse`, `onResponseUpdate`, … */
  readonly events: readonly string[];
  readonly priorityEvents?: readonly string[];
}

/** One copy of an event, on its way to one plugin for one team. */
export interface Delivery {
  /** The same through retry, redrive and back-fill: use it as an idempotency key at third parties. */
  readonly id: string;
  readonly team: string;
  readonly event: EventAttributes;
  /** The event's payload; for response events `{"answers":{…},"collector":…}`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Counts from 1. */
  readonly attempt: number;
  /**
   * Names the effect at third parties, as their idempotency key: what the plugin's `effectKey` says, else `id`. The same whenever
   * the delivery comes again.
   */
  readonly effectKey: string;
}

/** What every handler gets. `Settings` is the team's, checked and with its secrets opened. */
export interface Context<Settings, Resources extends ResourceMap = NoResources> {
  readonly team: string;
  readonly settings: Settings;
  readonly logger: Logger;
  /** Aborted at the handler's deadline, or when the plugin drains. Pass it on to every call. */
  readonly signal: AbortSignal;
  /** The plugin's own schema in Postgres (`search_path` is set). */
  readonly db: Pool;
  /** What the plugin declared as `resources`, each by its name. */
  readonly resources: Injected<Resources>;
  /** Sends a response back to its collector: a command to the core, deterministic per (plugin, response, revision). */
  readonly flag: (event: EventAttributes, flags: readonly Flag[]) => Promise<void>;
}

/** What the handler of a delivery gets. */
export interface DeliveryContext<Settings, Resources extends ResourceMap = NoResources>
  extends Context<Settings, Resources> {
  /**
   * Runs `work` in a transaction that also records the delivery as `delivered`: its writes happen exactly once, whatever
   * crashes, or not at all. At most once per handler call; what the handler returns or throws after it counts no longer.
   * Its connection is one of `db`'s, and the writes have to go through it.
   * @throws what `work` throws, after undoing its writes; Error when the attempt's time is over and the delivery is another's.
   */
  readonly transaction: <T>(work: (client: PoolClient) => Promise<T>) => Promise<T>;
}

/** A team that switched the plugin on or off. */
export interface TeamChange {
  /** The same whenever this change comes again, and no other's: an idempotency key for third parties. */
  readonly id: string;
  readonly team: string;
  /** Counts from 1. */
  readonly attempt: number;
}

/** What the plugin's own steps of start and stop get. */
export interface LifecycleContext<Resources extends ResourceMap = NoResources> {
  readonly logger: Logger;
  /** Aborted at the step's deadline. */
  readonly signal: AbortSignal;
  readonly db: Pool;
  readonly resources: Injected<Resources>;
}

/** An action a team can call: `POST /v1/teams/{team}/plugins/{plugin}/actions/{name}`. */
export interface Action<Settings, Resources extends ResourceMap = NoResources, Input extends z.ZodType = z.ZodType> {
  readonly description: string;
  readonly input: Input;
  /** Its result is the `output` of the answer. */
  readonly run: (input: z.output<Input>, context: Context<Settings, Resources>) => Promise<unknown>;
}

interface PluginParts<Schema extends z.ZodObject, Resources extends ResourceMap> {
  readonly metadata: PluginMetadata;
  /** A team's settings. Mark secrets with `secret(…)`: they are sealed on the way and never come back out. */
  readonly settings: Schema;
  /**
   * What handlers use outside the process, by the name they know it by; opened before anything is handled, closed after the
   * last handler. Configured by variables `{SERVICE}_{PREFIX}_{NAME}`.
   */
  readonly resources?: Resources;
  /**
   * SQL for the plugin's own tables, applied once each, in order, at start; never edit one that was applied. The SDK has
   * the tables `deliveries`, `retries`, `team_settings`, and those that begin with `sdk_`, in the same schema.
   */
  readonly migrations?: readonly string[];
  /** Handles one delivery. Returning nothing means delivered; throwing means retry. */
  readonly onEvent?: (
    delivery: Delivery,
    context: DeliveryContext<z.output<Schema>, Resources>,
  ) => Promise<Outcome | undefined>;
  /**
   * Finds out what became of an effect whose attempt was cut short or ended as `unknown`: by looking it up at the vendor, for one.
   * Asked before anything is repeated. `not-done` has `onEvent` called again; throwing has it asked again later.
   */
  readonly resolveUnknown?: (
    delivery: Delivery,
    context: Context<z.output<Schema>, Resources>,
  ) => Promise<Outcome | "not-done">;
  /**
   * In place of `onEvent`: handles several deliveries of one team and one event at once, each of another response. Answers an
   * outcome for each, in their order; nothing means that all are delivered, and throwing that all are retried.
   */
  readonly onBatch?: (
    deliveries: readonly Delivery[],
    context: Context<z.output<Schema>, Resources>,
  ) => Promise<readonly Outcome[] | undefined>;
  /** How large a batch gets, and how long its first delivery waits for more; 50 and 100 ms unless said. */
  readonly batch?: { readonly itemsMax?: number; readonly waitMsMax?: number };
  /**
   * Which revisions of a response are handled. `latest` (the default): an older one that comes after a newer one was
   * delivered is recorded as `superseded`. `all`: each is handled, also an older one after a newer one.
   */
  readonly revisions?: "latest" | "all";
  /**
   * Whether each delivery is recorded in the plugin's database before its handler is called: `recorded` (the default). With `none`
   * nothing is asked of the database for a delivery that goes well, which is several times as fast; one that comes again (a router's repetition,
   * or a process that was killed before its offset moved) is handled again, an older revision also after a newer one, and
   * `context.transaction` cannot be used. For handlers whose effect is the same however often they are called; needs `revisions: "all"`.
   */
  readonly identity?: "recorded" | "none";
  /**
   * Which outcomes are published to the topic `deliveries`, where teams see what became of each response: `all` (the default), or
   * `exceptions`: not a delivery that went well at its first attempt. Those are counted in the metrics all the same.
   */
  readonly outcomes?: "all" | "exceptions";
  /**
   * For an effect outside the plugin's database that is not one per delivery: what a third party is to take for the same. Has to
   * depend on nothing that changes from attempt to attempt; at most 200 characters.
   */
  readonly effectKey?: (delivery: Omit<Delivery, "effectKey">, settings: z.output<Schema>) => string;
  /** Answers inside a submit; must keep within `deadlineMs`. */
  readonly execute?: {
    readonly deadlineMs: number;
    readonly run: (
      request: { readonly event: EventAttributes; readonly data: Readonly<Record<string, unknown>> },
      context: Context<z.output<Schema>, Resources>,
    ) => Promise<ExecuteResponse>;
  };
  /** Checks the meaning of settings that fit the schema; what it returns is shown to the team. */
  readonly validateSettings?: (
    settings: z.output<Schema>,
    context: Omit<Context<z.output<Schema>, Resources>, "settings">,
  ) => Promise<readonly ProblemItem[]>;
  /**
   * A team has switched the plugin on, and its settings are in force. Called by one instance, at least once per change that is in
   * effect when its turn comes; throwing has it called again later. Deliveries of the team may come before it has ended.
   */
  readonly onEnable?: (change: TeamChange, context: Context<z.output<Schema>, Resources>) => Promise<void>;
  /** A team has switched the plugin off; as `onEnable`. Settings are null when there are none that can be read. */
  readonly onDisable?: (change: TeamChange, context: Context<z.output<Schema> | null, Resources>) => Promise<void>;
  /**
   * What to do with a delivery whose earlier attempt was cut short (a crash between effect and record): `safe` repeats
   * it (default; for effects that are idempotent), `unsafe` records it as `unknown` and does not. With `resolveUnknown`
   * that is asked instead.
   */
  readonly redeliver?: "safe" | "unsafe";
  /** Deadline of one handler call, milliseconds; 30,000 unless said. */
  readonly handlerDeadlineMs?: number;
  /** Once per process, when database and resources are there; throwing fails the start. */
  readonly preStart?: (context: LifecycleContext<Resources>) => Promise<void>;
  /** Once per process, before the first delivery and before the plugin registers; throwing fails the start. */
  readonly onStart?: (context: LifecycleContext<Resources>) => Promise<void>;
  /** Once per process, after the last delivery, while database and resources are still there; not after a crash. */
  readonly onStop?: (context: LifecycleContext<Resources>) => Promise<void>;
}

export interface PluginDefinition<Schema extends z.ZodObject, Resources extends ResourceMap = ResourceMap>
  extends PluginParts<Schema, Resources> {
  readonly actions?: Readonly<Record<string, Action<z.output<Schema>, Resources>>>;
}

/** Types a plugin: infers the settings, the resources and each action's input for every handler. */
export function definePlugin<
  Schema extends z.ZodObject,
  Resources extends ResourceMap = NoResources,
  Inputs extends Readonly<Record<string, z.ZodType>> = NoResources,
>(
  definition: PluginParts<Schema, Resources> & {
    readonly actions?: { readonly [Name in keyof Inputs]: Action<z.output<Schema>, Resources, Inputs[Name]> };
  },
): PluginDefinition<Schema, Resources> {
  // Each action's input is checked with its own schema before it is called.
  return definition as PluginDefinition<Schema, Resources>;
}

/** Types an action's input from its schema, where it is declared apart from its plugin. */
export function defineAction<Input extends z.ZodType, Settings, Resources extends ResourceMap = NoResources>(
  input: Input,
  description: string,
  run: (input: z.output<Input>, context: Context<Settings, Resources>) => Promise<unknown>,
): Action<Settings, Resources> {
  return { description, input, run: (value, context) => run(value as z.output<Input>, context) };
}
