import { Failure } from "@plugboard/contract";
import type { Clock, Component, HealthCheck, Logger } from "@plugboard/runtime";
import { Gauge, type Registry } from "prom-client";
import { HeldResource, type ResourceTiming } from "./held-resource.ts";
import type { Injected, ResourceMap } from "./resource.ts";

export interface ResourceSetParts<Resources extends ResourceMap> {
  readonly resources: Resources;
  /** By each resource's name. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timing?: Partial<ResourceTiming>;
  /** How long critical ones have to open, milliseconds; then the start fails and names each that did not. */
  readonly openMsMax: number;
}

/** All resources of a running plugin: opened together, closed together after the last handler. */
export class ResourceSet<Resources extends ResourceMap> implements Component {
  readonly name = "resources";
  /** What handlers get: of each name what is there at the moment of asking. */
  readonly injected: Injected<Resources>;
  readonly #held: readonly HeldResource[];
  readonly #openMsMax: number;

  constructor(parts: ResourceSetParts<Resources>) {
    const { resources, settings, logger, clock, timing = {} } = parts;
    this.#openMsMax = parts.openMsMax;
    this.#held = Object.entries(resources).map(
      ([name, resource]) => new HeldResource({ name, resource, settings: settings[name] ?? {}, logger, clock, timing }),
    );
    const injected = {};
    for (const held of this.#held) {
      Object.defineProperty(injected, held.name, { enumerable: true, get: () => held.injected });
    }
    this.injected = Object.freeze(injected) as Injected<Resources>;
  }

  /** @throws Failure `startup-resource` that names every critical resource that did not open in time. */
  async start(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#openMsMax);
    });
    const all = Promise.all(this.#held.map((held) => held.start()));
    await Promise.race([all, late]).finally(() => clearTimeout(timer));
    const missing = this.#held.filter(({ critical, state }) => critical && state !== "available");
    if (missing.length === 0) return;
    all.catch(() => {});
    throw new Failure("startup-resource", missing.map(({ name, problem }) => `${name}: ${problem}`).join("; "));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#held.map((held) => held.stop()));
  }

  /** One for each, with its state. */
  get checks(): readonly HealthCheck[] {
    return this.#held.map((held) => ({
      name: `resource ${held.name}`,
      critical: held.critical,
      problem: () => held.problem,
      state: () => held.state,
    }));
  }

  register(registry: Registry): void {
    registerResourceMetric(registry, () => this.#held);
  }
}

/** @param held what is shown, when Prometheus asks. */
export function registerResourceMetric(
  registry: Registry,
  held: () => readonly { readonly name: string; readonly problem: string | null }[],
): void {
  new Gauge({
    name: "plugin_resource_available",
    help: "1 while a resource that the plugin declared can be used, else 0.",
    labelNames: ["resource"],
    registers: [registry],
    collect() {
      for (const { name: resource, problem } of held()) this.set({ resource }, problem === null ? 1 : 0);
    },
  });
}
