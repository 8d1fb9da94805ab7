import { Failure, type RebuildResponse, type RoutingTableView } from "@plugboard/contract";
import type { RebuildResult, RoutingStore, RoutingTableWriter } from "./ports.ts";

/** What an operator may see and do about the routing table as a whole. */
export class RoutingTableService {
  readonly #store: Pick<RoutingStore, "state" | "backlog">;
  readonly #table: Pick<RoutingTableWriter, "found" | "unfit">;
  readonly #rebuild: () => Promise<RebuildResult>;

  constructor(dependencies: {
    store: Pick<RoutingStore, "state" | "backlog">;
    table: Pick<RoutingTableWriter, "found" | "unfit">;
    /** Writes the table in Redis anew, whatever versions it has. */
    rebuild: () => Promise<RebuildResult>;
  }) {
    this.#store = dependencies.store;
    this.#table = dependencies.table;
    this.#rebuild = dependencies.rebuild;
  }

  /** What is stored beside what Redis has. A change that is relayed meanwhile may show as a difference. */
  async view(): Promise<RoutingTableView> {
    const [stored, backlog] = await Promise.all([this.#store.state(), this.#store.backlog()]);
    const redis = await this.#table.found().catch(() => null);
    const agrees = stored !== null && redis?.epoch === stored.epoch && redis.seq === stored.seq && backlog.rows === 0;
    return {
      stored: stored && { epoch: stored.epoch, seq: stored.seq },
      redis,
      waiting: { changes: backlog.rows, oldestSeconds: backlog.oldestAgeSeconds },
      agrees,
    };
  }

  /** @throws Failure `unavailable` when Redis cannot hold the table, `conflict` while somebody else rebuilds it. */
  async rebuild(): Promise<RebuildResponse> {
    const unfit = await this.#table.unfit().catch((cause: unknown) => {
      throw new Failure("unavailable", "Redis does not answer", { cause });
    });
    if (unfit !== null) throw new Failure("unavailable", unfit);
    const result = await this.#rebuild();
    if (result.kind === "rebuilt") return { epoch: result.epoch, entries: result.entries };
    throw new Failure("conflict", "somebody else writes the routing table at this moment");
  }
}
