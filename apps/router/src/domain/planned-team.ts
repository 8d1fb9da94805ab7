import type { PluginEntry, TeamRoute } from "@plugboard/contract";
import type { ResolvedTeam } from "@plugboard/routing-table";
import type { HeaderBytes } from "./header-text.ts";
import { routeHeaders } from "./outgoing.ts";

/** One of a team's enabled plugins, with what all copies for it have in common. */
export class PlannedRoute {
  readonly route: TeamRoute;
  /** Undefined where the manager knows no such plugin. */
  readonly plugin: PluginEntry | undefined;
  readonly #teamVersion: number;
  /** Of the first type of event that there was a copy of: most plugins get but one. */
  #type: string | undefined;
  #headers: HeaderBytes | undefined;
  /** Of the others: at most as many as the plugin is registered for. */
  #ofOthers: Map<string, HeaderBytes> | undefined;

  constructor(route: TeamRoute, plugin: PluginEntry | undefined, teamVersion: number) {
    this.route = route;
    this.plugin = plugin;
    this.#teamVersion = teamVersion;
  }

  /** Versions of the entries that decide: `<team>.<plugin>`. */
  get version(): string {
    return `${this.#teamVersion}.${this.plugin?.v ?? 0}`;
  }

  /** The headers of the team's events of a type; made once. */
  headers(team: string, type: string): HeaderBytes {
    if (type === this.#type && this.#headers !== undefined) return this.#headers;
    const known = this.#ofOthers?.get(type);
    if (known !== undefined) return known;
    const made = routeHeaders(team, type, this.route.id, this.version);
    if (this.#headers === undefined) {
      this.#type = type;
      this.#headers = made;
    } else {
      this.#ofOthers ??= new Map();
      this.#ofOthers.set(type, made);
    }
    return made;
  }
}

/**
 * What routing makes of a team's entry, once, and keeps with it: what the table forgets is forgotten with it, and a changed entry is another
 * one. With tens of thousands of active teams no cache of the processor holds them, so that each look-up by name or identity is time spent
 * waiting for memory (docs/performance.md, "A million teams").
 */
export class PlannedTeam {
  /** In the table's order. */
  readonly routes: readonly PlannedRoute[];

  private constructor({ team, plugins }: ResolvedTeam) {
    this.routes = team.plugins.map((route) => new PlannedRoute(route, plugins.get(route.id), team.v));
  }

  static of(resolved: ResolvedTeam): PlannedTeam {
    if (resolved.derived instanceof PlannedTeam) return resolved.derived;
    const made = new PlannedTeam(resolved);
    resolved.derived = made;
    return made;
  }
}
