import {
  type Context,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  type TimeInput,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "./clock.ts";
import { type Component, withDeadline } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { env, setting } from "./settings.ts";

/** Where traces go; spread into a process's settings. */
export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    env.url("http", "https").optional(),
    "Base address of the OpenTelemetry collector that traces go to, by OTLP over HTTP; nothing is traced when unset.",
  ),
};

/** Reads a header of a record or request. */
export type ReadHeader = (name: string) => string | undefined;

export interface TracingParts {
  /** `service.name` of its spans. */
  readonly service: string;
  /** Unset, nothing is traced. */
  readonly endpoint: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What a process that ends gives its last spans, milliseconds. */
const LAST_SPANS_MS_MAX = 3_000;

/**
 * Spans of what was begun elsewhere: only what comes with a sampled `traceparent` is traced, so the core (or whoever calls)
 * decides how much that is. Without an endpoint OpenTelemetry's SDK is not even loaded, and everything here is a look at a null.
 */
export class Tracing implements Component {
  readonly name = "tracing";
  readonly #parts: TracingParts;
  #tracer: Tracer | null = null;
  #shutDown: () => Promise<void> = async () => {};

  constructor(parts: TracingParts) {
    this.#parts = parts;
  }

  /** Whether there is an endpoint. */
  get on(): boolean {
    return this.#parts.endpoint !== undefined;
  }

  async start(): Promise<void> {
    const { service, endpoint, logger, clock } = this.#parts;
    if (endpoint === undefined) return;
    const { startTracingSdk } = await import("./tracing-sdk.ts");
    const { tracer, shutDown } = startTracingSdk({ service, endpoint, logger, clock });
    this.#tracer = tracer;
    this.#shutDown = shutDown;
  }

  async stop(): Promise<void> {
    await withDeadline(this.#shutDown(), LAST_SPANS_MS_MAX, "the collector did not take the last spans").catch(
      ({ message: reason }: Error) => this.#parts.logger.warn({ reason }, "the last spans were not exported"),
    );
  }

  /** What a record or request names as its parent; null when that is not sampled, or nothing is traced. */
  parentOf(read: ReadHeader): Context | null {
    if (this.#tracer === null) return null;
    const parent = propagation.extract(ROOT_CONTEXT, read, HEADERS);
    const flags = trace.getSpanContext(parent)?.traceFlags ?? TraceFlags.NONE;
    return (flags & TraceFlags.SAMPLED) === 0 ? null : parent;
  }

  /** Does work within a span, which what it does finds as the active one. @param parent null: without a span. */
  async within<T>(
    parent: Context | null,
    name: string,
    options: SpanOptions,
    work: (span: Span | null) => Promise<T>,
  ): Promise<T> {
    if (this.#tracer === null || parent === null) return await work(null);
    const span = this.#tracer.startSpan(name, options, parent);
    try {
      return await context.with(trace.setSpan(parent, span), work, undefined, span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }

  /** A span of what is over already. */
  past(parent: Context, name: string, options: SpanOptions, end: TimeInput): void {
    this.#tracer?.startSpan(name, options, parent).end(end);
  }
}

const HEADERS = {
  // Of a record, the header of the hop before, or else CloudEvents' own attribute (its distributed tracing extension).
  get: (read: ReadHeader, name: string) => read(name) ?? read(`ce_${name}`),
  keys: () => [],
};

/** A span's `traceparent`, to be kept; undefined without one. */
export function traceparentOf(span: Span | null): string | undefined {
  if (span === null) return undefined;
  const carrier: Record<string, string> = {};
  propagation.inject(trace.setSpan(ROOT_CONTEXT, span), carrier);
  return carrier.traceparent;
}

/** A link to the span that a kept `traceparent` names; none without one. */
export function linksTo(traceparent: string | undefined): Link[] {
  if (traceparent === undefined) return [];
  const linked = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, { traceparent }));
  return linked === undefined ? [] : [{ context: linked }];
}

/** Has a request carry the active span on; one that names a parent already is left as it is. */
export function carryTrace(headers: Headers): void {
  if (headers.has("traceparent")) return;
  propagation.inject(context.active(), headers, { set: (to, name, value) => to.set(name, value) });
}
