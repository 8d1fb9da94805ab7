import { testEnvironment } from "@plugboard/stack";
import type { JavaTools } from "./java-tools.ts";

export type JavaHeader = readonly [name: string, value: string | Buffer | null];

/** What Java's producer is to do, step by step: java/Produce.java does it. */
export class JavaSteps {
  readonly #topic: string;
  readonly #team: string;
  readonly #steps: object[] = [];

  constructor(topic: string, team: string) {
    this.#topic = topic;
    this.#team = team;
  }

  open(settings: Readonly<Record<string, string>>): void {
    this.step({ do: "open", settings });
  }

  /** A binary CloudEvent with headers of its own behind. */
  send(id: string, key: Buffer | null, value: Buffer | null, own: readonly JavaHeader[]): void {
    const attributes = { ce_specversion: "1.0", ce_id: id, ce_source: "core", ce_type: "onResponse" };
    const headers = [...Object.entries({ ...attributes, ce_teamid: this.#team }), ...own];
    this.step({
      do: "send",
      topic: this.#topic,
      key: base64(key),
      value: base64(value),
      headers: headers.map(([name, header]) => [name, base64(header)]),
    });
  }

  close(): void {
    this.step({ do: "close" });
  }

  step(step: object): void {
    this.#steps.push(step);
  }

  /** @returns the partition of every record, in the order they were sent. */
  async run(java: JavaTools): Promise<number[]> {
    const input = this.#steps.map((step) => `${JSON.stringify(step)}\n`).join("");
    const output = await java.run("Produce", [testEnvironment().kafkaBrokers], input);
    return output.trim().split("\n").map(Number);
  }
}

function base64(bytes: string | Buffer | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString("base64");
}
