import type { TestEvent, WholeTestEvent } from "../testing/event-fixtures.ts";

/** Where the real Kafka and Postgres are. */
export interface Addresses {
  /** host:port, comma-separated. */
  readonly kafkaBrokers: string;
  readonly databaseUrl: string;
}

/** A response of a team, with what its events carry. */
export interface StagedResponse {
  readonly team: string;
  readonly id: string;
  readonly fields: Pick<TestEvent, "type" | "form" | "data">;
}

/** A delivery as it stands in the plugin's topic. */
export interface RoutedRecord {
  readonly event: WholeTestEvent;
  readonly key: string | null;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Text that is no JSON is nothing. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
