/** A counter, as far as the pipeline and the http side use one; prom-client's fit. */
interface LabelledCounter<Label extends string> {
  inc(labels: Record<Label, string>, value?: number): void;
}

interface LabelledHistogram<Label extends string> {
  observe(labels: Record<Label, string>, value: number): void;
}

/** What the manager measures; made in adapters/prometheus-metrics.ts. */
export interface ManagerMetrics {
  readonly httpSeconds: LabelledHistogram<"method" | "route" | "status">;
  readonly authFailures: LabelledCounter<"reason">;
  readonly relayPasses: LabelledCounter<"result">;
  readonly relayedChanges: LabelledCounter<"result">;
  readonly rebuilds: LabelledCounter<"result">;
  readonly initializeResults: LabelledCounter<"plugin" | "result">;
  readonly pluginCallSeconds: LabelledHistogram<"plugin" | "call" | "result">;
}
