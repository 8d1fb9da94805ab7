import { setTimeout as pause } from "node:timers/promises";
import { Admin } from "@platformatic/kafka";
import type { Rig } from "./rig.ts";
import { ROUTER_GROUP } from "./teams.ts";

const EVERY_MS = 200;
const ASK_MS = 1_000;

/** What the routers' group was seen to be. */
export interface GroupSight {
  readonly at: number;
  /** Ids of its members; undefined when its coordinator did not answer within a second. */
  readonly members: readonly string[] | undefined;
}

/** Asks the routers' group's coordinator several times a second who is in it: that shows the cluster's own fail-over. */
export class GroupWatch {
  readonly sights: GroupSight[] = [];
  readonly #addresses: readonly string[];
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor({ kafkaCluster }: Rig) {
    this.#addresses = kafkaCluster.addresses;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let admin = this.#connect();
    while (!signal.aborted) {
      const at = Date.now();
      const groups = await Promise.race([
        admin.describeGroups({ groups: [ROUTER_GROUP] }).catch(() => undefined),
        pause(ASK_MS, undefined, { ref: false }),
      ]);
      const found = groups?.get(ROUTER_GROUP);
      this.sights.push({ at, members: found === undefined ? undefined : [...found.members.keys()] });
      if (found === undefined) {
        // Its connections to a broker that is gone, and what it knew, are of no use.
        void admin.close().catch(() => {});
        admin = this.#connect();
      }
      await pause(EVERY_MS, undefined, { signal }).catch(() => {});
    }
    await admin.close().catch(() => {});
  }

  #connect(): Admin {
    const bootstrapBrokers = [...this.#addresses];
    const admin = new Admin({ clientId: "chaos-watch", bootstrapBrokers, retries: 0, timeout: ASK_MS });
    admin.on("error", () => {});
    return admin;
  }
}
