import type { EventAttributes, Flag } from "@plugboard/contract";
import type { Logger } from "@plugboard/runtime";
import type { Pool } from "pg";
import type { Context } from "../define-plugin.ts";
import type { Injected, ResourceMap } from "../resources/resource.ts";
import type { CutOff } from "./with-deadline.ts";

/** What contexts are made from; the same for every handler of a process. */
export interface ContextParts {
  readonly logger: Logger;
  readonly db: Pool;
  readonly resources: Injected<ResourceMap>;
  readonly flag: (team: string, event: EventAttributes, flags: readonly Flag[]) => Promise<void>;
}

/** The context of one handler call. */
export function contextOf<Settings>(
  parts: ContextParts,
  call: {
    readonly team: string;
    readonly settings: Settings;
    readonly cutOff: Pick<CutOff, "signal">;
    readonly fields?: Record<string, string>;
  },
): Context<Settings, ResourceMap> {
  let logger: Logger | null = null;
  return {
    team: call.team,
    settings: call.settings,
    // Both are made when they are asked for: they cost as much as the rest of a quick call.
    get logger() {
      logger ??= parts.logger.child({ team: call.team, ...call.fields });
      return logger;
    },
    get signal() {
      return call.cutOff.signal;
    },
    db: parts.db,
    resources: parts.resources,
    flag: (event, flags) => parts.flag(call.team, event, flags),
  };
}
