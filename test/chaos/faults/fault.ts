import type { Dice } from "../dice.ts";
import type { Rig } from "../rig.ts";

/** What a fault takes away; two that take the same are not injected together. */
type Part = "brokers" | "routers" | "redis" | "postgres" | "managers" | "topics" | "plugin" | "vendor" | "responses";

/**
 * One thing that goes wrong; on the whole installation, unless it says what it needs of one. docs/RUNBOOK.md has a section of
 * the same name for those of {@link Rig}.
 */
export interface Fault<On = Rig> {
  readonly name: string;
  /** One line: what is done. */
  readonly what: string;
  readonly touches: readonly Part[];
  /** How long it stands before it is healed, milliseconds. */
  readonly standsMs: number;
  /** How long nothing else is done before it, to be compared with; milliseconds. */
  readonly quietBeforeMs?: number;
  /** It takes a member from the routers' group, which has to notice: the group's own fail-over. */
  readonly losesMember?: boolean;
  /** Nobody can do anything against it while it stands: recovery counts from the heal. */
  readonly standing?: boolean;
  /** Whether it is one of those of --short. */
  readonly short?: boolean;
  /** Makes it happen. @returns what heals it, as the runbook says. */
  readonly inject: (rig: On, dice: Dice) => Promise<() => Promise<void>>;
}
