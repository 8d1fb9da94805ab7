import type { PluginEntry, TeamEntry } from "@plugboard/contract";
import type { ResolvedTeam } from "../routing-table.ts";

/** An entry in L1; null is a known absence. `asOf`: when it was read. */
export interface Slot<E> {
  readonly entry: E | null;
  readonly asOf: number;
}

/** A team's entry, with the result of joining it: valid for one state of the plugin entries. */
export interface TeamSlot extends Slot<TeamEntry> {
  joined: ResolvedTeam | null | undefined;
  joinedAsOf: number;
  joinedGeneration: number;
}

export type AnySlot = TeamSlot | Slot<PluginEntry>;

/** Of one shape, with room for what its reader derives. */
export class JoinedTeam implements ResolvedTeam {
  readonly team: TeamEntry;
  readonly plugins: ReadonlyMap<string, PluginEntry>;
  derived?: object;

  constructor(team: TeamEntry, plugins: ReadonlyMap<string, PluginEntry>) {
    this.team = team;
    this.plugins = plugins;
  }
}

export const NOT_JOINED = { joinedAsOf: Number.NEGATIVE_INFINITY, joinedGeneration: -1 };
