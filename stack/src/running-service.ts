import type { ServiceName } from "./choose-source.ts";
import type { Report } from "./maven-artifacts.ts";

/** A service that answers. */
export interface RunningService {
  /** As its clients take it: brokers or a URL. */
  readonly address: string;
  /** One phrase for people: where it came from. */
  readonly how: string;
  stop(): Promise<void>;
}

/** Starts one service; resolves when it answers. */
export type StartService = (name: ServiceName, report: Report) => Promise<RunningService>;
