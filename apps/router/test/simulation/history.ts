import { DEAD_LETTER_HEADER, DELIVERY_HEADER } from "@plugboard/contract";
import type { Assigned, Committed } from "./coordinator.ts";
import type { Appended } from "./log-server.ts";
import { DEAD_LETTERS_TOPIC, DELIVERIES_TOPIC, EVENTS_TOPIC, GROUP, PARKED_TOPIC, RETURN_CLIENT } from "./names.ts";
import type { LogLine } from "./simulated-router.ts";
import type { EndedTransaction } from "./transaction-coordinator.ts";
import type { World } from "./world.ts";

const PARKED_TARGET = "pb-parked-target";

/** A copy of an event, as it stands in a topic. */
export interface Copy {
  readonly at: number;
  /** `responses/<partition>/<offset>` of the event. */
  readonly origin: string;
  readonly deliveryId: string;
  readonly plugin: string;
  readonly team: string;
  /** Of the plugin; also when it was parked. */
  readonly topic: string;
  readonly parked: boolean;
  /** Written by those who return what was parked. */
  readonly returned: boolean;
  readonly key: string;
  /** Begins with the event's id. */
  readonly value: string;
  readonly router: string;
  /** Whether committed readers see it: false while its transaction goes on, and when that was aborted. */
  visible: boolean;
}

/** Something that may have records read and written again. */
export interface Disturbance {
  readonly at: number;
  readonly untilMs: number;
  readonly what: string;
}

interface DeadLetter {
  readonly origin: string;
  visible: boolean;
}

/** Everything that happened, as the brokers saw it. */
export class History {
  /** In the order in which they were written. */
  readonly copies: Copy[] = [];
  readonly deadLetters: DeadLetter[] = [];
  /** For each partition of events, when the committed offset first passed which offset. */
  readonly firstCommits = new Map<number, { readonly offset: number; readonly at: number }[]>();
  /** For each partition of events, which router was given it when. */
  readonly owners = new Map<number, { readonly at: number; readonly router: string }[]>();
  readonly disturbances: Disturbance[] = [];
  /** What has only parked copies returned again. */
  readonly returnDisturbances: Disturbance[] = [];
  readonly lines: LogLine[] = [];
  /** Broken promises that were seen as they happened. */
  readonly broken: string[] = [];
  readonly #world: World;
  /** What was written in transactions that are not decided, by producer. */
  readonly #undecided = new Map<bigint, { visible: boolean }[]>();

  constructor(world: World) {
    this.#world = world;
  }

  readonly onAppended = ({ topic, batch, transactional, link }: Appended): void => {
    const at = this.#world.now;
    if (topic.name === DELIVERIES_TOPIC) return;
    const written: { visible: boolean }[] = [];
    for (const record of batch.records) {
      const headers = new Map(record.headers.map(([name, value]) => [String(name), String(value)]));
      if (topic.name === DEAD_LETTERS_TOPIC) {
        const letter = { origin: headers.get(DEAD_LETTER_HEADER.origin) ?? "", visible: !transactional };
        this.deadLetters.push(letter);
        written.push(letter);
        continue;
      }
      const parked = topic.name === PARKED_TOPIC;
      const copy = {
        at,
        origin: headers.get(DELIVERY_HEADER.origin) ?? "",
        deliveryId: headers.get(DELIVERY_HEADER.id) ?? "",
        plugin: headers.get(DELIVERY_HEADER.plugin) ?? "",
        team: headers.get(DELIVERY_HEADER.team) ?? "",
        topic: parked ? (headers.get(PARKED_TARGET) ?? "") : topic.name,
        parked,
        returned: link.clientId === RETURN_CLIENT,
        key: String(record.key),
        value: String(record.value),
        router: link.process.name,
        visible: !transactional,
      };
      this.copies.push(copy);
      written.push(copy);
    }
    if (!transactional) return;
    const undecided = this.#undecided.get(batch.producerId);
    if (undecided === undefined) this.#undecided.set(batch.producerId, written);
    else undecided.push(...written);
  };

  readonly onDecided = ({ producerId, committed }: EndedTransaction): void => {
    for (const written of this.#undecided.get(producerId) ?? []) written.visible = committed;
    this.#undecided.delete(producerId);
  };

  readonly onCommitted = ({ group, topic, partition, offset }: Committed): void => {
    if (group !== GROUP || topic !== EVENTS_TOPIC) return;
    const known = this.firstCommits.get(partition) ?? [];
    if (offset > (known.at(-1)?.offset ?? -1)) known.push({ offset, at: this.#world.now });
    this.firstCommits.set(partition, known);
  };

  readonly onAssigned = ({ group, process, topic, partitions }: Assigned): void => {
    if (group !== GROUP || topic !== EVENTS_TOPIC) return;
    for (const partition of partitions) {
      const owners = this.owners.get(partition) ?? [];
      owners.push({ at: this.#world.now, router: process.name });
      this.owners.set(partition, owners);
    }
  };

  /** A batch was sent whose bytes are not what its checksum says. */
  readonly onCorrupt = (what: string): void => {
    this.broken.push(`corrupt: a batch for ${what} at ${this.#world.now.toFixed(1)}`);
  };

  readonly onLine = (line: LogLine): void => {
    this.lines.push(line);
    const { message } = line;
    const what = `${line.process.name}: ${message}`;
    if (READ_AGAIN.some((part) => message.includes(part))) this.disturbed(0, what);
    if (RETURNED_AGAIN.some((part) => message.includes(part)))
      this.returnDisturbances.push({ at: this.#world.now, untilMs: this.#world.now, what });
  };

  disturbed(ms: number, what: string): void {
    this.disturbances.push({ at: this.#world.now, untilMs: this.#world.now + ms, what });
  }
}

/** In lines by which a router says that it, or whoever comes next, reads something again. */
const READ_AGAIN = [
  "reading again from the committed offsets",
  "it is done again by whoever has",
  "committing failed",
  "membership in the group lost",
];
/** In lines by which it says so of parked copies. */
const RETURNED_AGAIN = ["returning parked copies failed", "returning parked copies was not finished"];
