import type { Logger } from "@plugboard/runtime";
import type { z } from "zod";

/** What a resource's functions get beside its settings. */
export interface ResourceHow {
  readonly logger: Logger;
  /** Aborted when the attempt has had its time, or the plugin stops. */
  readonly signal: AbortSignal;
}

/**
 * Something outside the process that handlers use: a database, a mail server, a vendor's client. Made by {@link resource}
 * and its kin; declared in a plugin's `resources`, under the name that handlers know it by.
 */
export interface Resource<Value, Critical extends boolean = boolean> {
  /** Its variables are `{SERVICE}_{PREFIX}_{NAME}`: two of one kind differ in this. */
  readonly prefix: string;
  readonly critical: Critical;
  /** By `{NAME}`. */
  readonly settings: z.ZodRawShape;
  /** Whether one that has not answered its checks for a while is closed and opened anew. */
  readonly reopen: boolean;
  open(settings: Readonly<Record<string, unknown>>, how: ResourceHow): Promise<Value>;
  check?(value: Value, how: ResourceHow): Promise<void>;
  close?(value: Value): Promise<void>;
}

export interface ResourceOptions<Value, Shape extends z.ZodRawShape, Critical extends boolean> {
  /** 1 to 32 of A-Z, 0-9, "_", beginning with a letter. */
  readonly prefix: string;
  /** What it is configured by: `{ HOST: setting(env.text(), "The mail server.") }`. */
  readonly settings?: Shape;
  /**
   * Without a critical one (the default) the plugin does not start, and is not ready while it is away. One that is not
   * critical may be missing: handlers see it as {@link Degradable}.
   */
  readonly critical?: Critical;
  /** Connects. What it throws is the reason that operators read: it is tried again, with growing delays. */
  readonly open: (settings: z.output<z.ZodObject<Shape>>, how: ResourceHow) => Promise<Value> | Value;
  /** Throws while it cannot be used. Asked every few seconds; what has none counts as there once it is open. */
  readonly check?: (value: Value, how: ResourceHow) => Promise<unknown>;
  /** Lets go of it when the plugin stops, after the last handler. */
  readonly close?: (value: Value) => Promise<unknown> | unknown;
  /** `false` for clients that connect again by themselves, such as pools; else it is opened anew after failed checks. */
  readonly reopen?: boolean;
}

export type ResourceMap = Readonly<Record<string, Resource<unknown>>>;
/** Of a plugin that declares none. */
export type NoResources = Record<never, never>;

/** What may be away: a handler looks first, or takes it and lets the delivery be retried. */
export interface Degradable<Value> {
  readonly available: boolean;
  /** Why it is away; null while it is there. */
  readonly problem: string | null;
  /** @throws Failure `unavailable`, which becomes the outcome `retry` where the handler lets it through. */
  use(): Value;
}

/** `context.resources`: each by its name; critical ones as they are, others as {@link Degradable}. */
export type Injected<Resources extends ResourceMap> = {
  readonly [Name in keyof Resources]: Resources[Name] extends Resource<infer Value, infer Critical>
    ? Critical extends true
      ? Value
      : Degradable<Value>
    : never;
};

/** Each by its name, as opened: what a test gives in their place. */
export type Opened<Resources extends ResourceMap> = {
  readonly [Name in keyof Resources]: Resources[Name] extends Resource<infer Value> ? Value : never;
};

/** Declares a resource of any kind; see {@link ResourceOptions}. */
export function resource<
  Value,
  Shape extends z.ZodRawShape = Record<never, never>,
  const Critical extends boolean = true,
>(options: ResourceOptions<Value, Shape, Critical>): Resource<Value, NoInfer<Critical>> {
  const { prefix, open, check, close } = options;
  return {
    prefix,
    critical: (options.critical ?? true) as Critical,
    settings: options.settings ?? {},
    reopen: options.reopen ?? true,
    open: async (settings, how) => await open(settings as z.output<z.ZodObject<Shape>>, how),
    ...(check === undefined ? {} : { check: async (value, how) => void (await check(value, how)) }),
    ...(close === undefined ? {} : { close: async (value) => void (await close(value)) }),
  };
}
