import { context, DiagLogLevel, diag, propagation, type Tracer, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import { AlwaysOffSampler, BatchSpanProcessor, ParentBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import { version } from "./metrics.ts";
import { SparseLog } from "./sparse-log.ts";

/** Spans that wait for the collector, at about 1 KB; further ones are dropped, and what is traced goes on. */
const WAITING_SPANS_MAX = 8_192;
const EXPORT_SPANS_MAX = 512;
const EXPORT_EVERY_MS = 1_000;
const EXPORT_MS_MAX = 10_000;

/**
 * Sets OpenTelemetry's SDK up for the process: handlers that make spans of their own with `@opentelemetry/api` are served by
 * it. Loaded only where there is somebody to export to.
 */
export function startTracingSdk(options: {
  readonly service: string;
  readonly endpoint: string;
  readonly logger: Logger;
  readonly clock: Clock;
}): { readonly tracer: Tracer; readonly shutDown: () => Promise<void> } {
  const log = new SparseLog(options.logger, options.clock);
  const told = (message: string) => log.warn({ reason: message }, "traces are not exported as they should be");
  const quiet = () => {};
  const logger = { error: told, warn: told, info: quiet, debug: quiet, verbose: quiet };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/+$/, "")}/v1/traces`,
    timeoutMillis: EXPORT_MS_MAX,
  });
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": options.service, "service.version": version }))
      // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    // What the core has not sampled, and what nobody began, is not traced.
    sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: WAITING_SPANS_MAX,
        maxExportBatchSize: EXPORT_SPANS_MAX,
        scheduledDelayMillis: EXPORT_EVERY_MS,
        exportTimeoutMillis: EXPORT_MS_MAX,
      }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return { tracer: provider.getTracer("plugboard", version), shutDown: () => provider.shutdown() };
}
