import type { PluginEntry, TeamEntry, TeamRoute } from "@plugboard/contract";
import type { ResolvedTeam } from "@plugboard/routing-table";
import { type Resource, type ResourceMap, resource } from "../resources/resource.ts";

/** Who has the plugin enabled, in place of the routing table: every team, unless said otherwise. */
export class TestTeams {
  readonly #plugin: string;
  readonly #disabled = new Set<string>();
  #version = 1;

  constructor(plugin: string) {
    this.#plugin = plugin;
  }

  get routeVersion(): string {
    return `${this.#version}.1`;
  }

  set(team: string, enabled: boolean): void {
    this.#version += 1;
    if (enabled) this.#disabled.delete(team);
    else this.#disabled.add(team);
  }

  async resolve(teams: readonly string[]): Promise<ReadonlyMap<string, ResolvedTeam>> {
    return new Map(teams.map((team) => [team, this.known(team)]));
  }

  known(team: string): ResolvedTeam {
    const entry: PluginEntry = { v: 1, events: [], priorityEvents: [], sync: null, state: "enabled" };
    return { team: this.#entry(team), plugins: new Map([[this.#plugin, entry]]) };
  }

  #entry(team: string): TeamEntry {
    const everything = { forms: null, filter: null, mode: "async", onFailure: "open", quota: null } as const;
    const route: TeamRoute = { id: this.#plugin, ready: true, ...everything };
    return { v: this.#version, plugins: this.#disabled.has(team) ? [] : [route] };
  }
}

/** The plugin's resources with what a test gives in their place; an Error is the reason why one cannot be opened. */
export function withOverrides(resources: ResourceMap, overrides: Readonly<Record<string, unknown>>): ResourceMap {
  const given = (name: string, real: Resource<unknown>) =>
    Object.hasOwn(overrides, name) ? standIn(real, overrides[name]) : real;
  return Object.fromEntries(Object.entries(resources).map(([name, real]) => [name, given(name, real)]));
}

function standIn({ prefix, critical }: Resource<unknown>, value: unknown): Resource<unknown> {
  const open = () => {
    if (value instanceof Error) throw value;
    return value;
  };
  return resource({ prefix, critical, open });
}
