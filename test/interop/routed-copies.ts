import { createHash } from "node:crypto";
import { expect } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { PlugboardUnderTest } from "../plugboard-under-test.ts";
import { headerOf, type ReadRecord, type TopicReader } from "../topic-reader.ts";

/** A Plugboard with a plugin that one team has enabled; what is written to `responses` is compared with its copies. */
export class RoutedCopies {
  readonly plugboard: PlugboardUnderTest;
  readonly team: string;
  readonly #plugin: string;
  readonly #copies: TopicReader;
  readonly #origins: TopicReader;

  private constructor(
    plugboard: PlugboardUnderTest,
    team: string,
    plugin: string,
    copies: TopicReader,
    origins: TopicReader,
  ) {
    this.plugboard = plugboard;
    this.team = team;
    this.#plugin = plugin;
    this.#copies = copies;
    this.#origins = origins;
  }

  static async open(team: string, plugin: string): Promise<RoutedCopies> {
    const plugboard = await PlugboardUnderTest.open();
    try {
      await plugboard.register(plugin);
      await plugboard.enable(team, plugin);
      const [copies, origins] = await Promise.all([
        plugboard.followPlugin(plugin),
        plugboard.follow(plugboard.responses),
        plugboard.startRouter(),
      ]);
      return new RoutedCopies(plugboard, team, plugin, copies, origins);
    } catch (error) {
      await plugboard.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.plugboard.close();
  }

  /** Every copy so far, in the order read. */
  get all(): readonly ReadRecord[] {
    return this.#copies.records;
  }

  /** The identity of the copy of an event. */
  deliveryOf(id: string, source = "core"): string {
    return deliveryId(this.team, this.#plugin, source, id);
  }

  /** Waits for the copies of these events, and compares each with the record it was made of. */
  async of(ids: readonly string[], source = "core"): Promise<ReadRecord[]> {
    const deliveries = ids.map((id) => this.deliveryOf(id, source));
    await this.#copies.has(deliveries);
    const read = new Map(this.all.map((record) => [headerOf(record, "pb-delivery-id"), record]));
    const found = deliveries.map((delivery) => read.get(delivery) as ReadRecord);
    const origins = await this.#originsOf(found);
    for (const [index, copy] of found.entries()) {
      const origin = origins[index];
      expect(digestOf(copy.key)).toBe(digestOf(origin?.key));
      expect(digestOf(copy.value)).toBe(digestOf(origin?.value));
      expect(withoutDelivery(copy)).toEqual({ ...origin?.headers });
      expect(copy.partition).toBe(origin?.partition);
    }
    return found;
  }

  async #originsOf(copies: readonly ReadRecord[]): Promise<(ReadRecord | undefined)[]> {
    const places = new Map<string, ReadRecord>();
    const wanted = copies.map((copy) => headerOf(copy, "pb-origin") ?? "none");
    await this.#origins.until("the records that were copied", () => {
      for (const record of this.#origins.records.slice(places.size)) {
        places.set(`${this.plugboard.responses}/${record.partition}/${record.offset}`, record);
      }
      return wanted.every((place) => places.has(place));
    });
    return wanted.map((place) => places.get(place));
  }
}

/** Comparing long buffers byte by byte takes jest a second each. */
export function digestOf(bytes: Buffer | null | undefined): string | undefined {
  return bytes === null || bytes === undefined ? String(bytes) : createHash("sha256").update(bytes).digest("hex");
}

/** A copy's own headers: those that its origin had. */
function withoutDelivery(copy: ReadRecord): object {
  return Object.fromEntries(Object.entries(copy.headers ?? {}).filter(([name]) => !name.startsWith("pb-")));
}
