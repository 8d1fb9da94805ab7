import { DEAD_LETTER_HEADER, DELIVERY_HEADER } from "@plugboard/contract";
import type { Appended } from "./cluster.ts";
import type { Committed } from "./coordinator.ts";
import { DEAD_LETTERS_TOPIC, DELIVERIES_TOPIC, PARKED_TOPIC } from "./names.ts";
import type { LogLine } from "./simulated-router.ts";
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
  readonly key: string;
  /** Begins with the event's id. */
  readonly value: string;
  readonly router: string;
}

/** Something that may have records read and written again. */
export interface Disturbance {
  readonly at: number;
  readonly untilMs: number;
  readonly what: string;
}

/** Everything that happened, as the brokers saw it. */
export class History {
  readonly copies: Copy[] = [];
  /** Origins in the dead-letter topic. */
  readonly deadLetters: { readonly origin: string; readonly at: number }[] = [];
  /** For each partition, when the committed offset first passed which offset. */
  readonly firstCommits = new Map<number, { readonly offset: number; readonly at: number }[]>();
  readonly disturbances: Disturbance[] = [];
  readonly lines: LogLine[] = [];
  /** Broken promises that were seen as they happened. */
  readonly broken: string[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  readonly onAppended = ({ topic, batch, process }: Appended): void => {
    const at = this.#world.now;
    for (const record of batch.records) {
      const headers = new Map(record.headers.map(([name, value]) => [String(name), String(value)]));
      if (topic.name === DEAD_LETTERS_TOPIC) {
        this.deadLetters.push({ origin: headers.get(DEAD_LETTER_HEADER.origin) ?? "", at });
        continue;
      }
      if (topic.name === DELIVERIES_TOPIC) continue;
      const parked = topic.name === PARKED_TOPIC;
      this.copies.push({
        at,
        origin: headers.get(DELIVERY_HEADER.origin) ?? "",
        deliveryId: headers.get(DELIVERY_HEADER.id) ?? "",
        plugin: headers.get(DELIVERY_HEADER.plugin) ?? "",
        team: headers.get(DELIVERY_HEADER.team) ?? "",
        topic: parked ? (headers.get(PARKED_TARGET) ?? "") : topic.name,
        parked,
        key: String(record.key),
        value: String(record.value),
        router: process.name,
      });
    }
  };

  readonly onCommitted = ({ partition, offset }: Committed): void => {
    const known = this.firstCommits.get(partition) ?? [];
    if (offset > (known.at(-1)?.offset ?? -1)) known.push({ offset, at: this.#world.now });
    this.firstCommits.set(partition, known);
  };

  /** A batch was sent whose bytes are not what its checksum says. */
  readonly onCorrupt = (what: string): void => {
    this.broken.push(`corrupt: a batch for ${what} at ${this.#world.now.toFixed(1)}`);
  };

  readonly onLine = (line: LogLine): void => {
    this.lines.push(line);
    const { message } = line;
    const explains = READ_AGAIN.some((part) => message.includes(part));
    if (explains) this.disturbed(0, `${line.process.name}: ${message}`);
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
