import type { Dice } from "../dice.ts";
import type { Rig } from "../rig.ts";

/** What a fault takes away; two that take the same are not injected together. */
type Part = "brokers" | "routers" | "redis" | "postgres" | "managers" | "topics" | "plugin" | "responses";

/** One thing that goes wrong. docs/RUNBOOK.md has a section of the same name. */
export interface Fault {
  readonly name: string;
  /** One line: what is done. */
  readonly what: string;
  readonly touches: readonly Part[];
  /** How long it stands before it is healed, milliseconds. */
  readonly standsMs: number;
  /** Whether it is one of the faults of the short form. */
  readonly short?: boolean;
  /** Makes it happen. @returns what heals it, as the runbook says. */
  readonly inject: (rig: Rig, dice: Dice) => Promise<() => Promise<void>>;
}
