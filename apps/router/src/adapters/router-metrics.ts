import type { Refused } from "@plugboard/contract";
import { END_TO_END_BUCKETS_SECONDS, LATENCY_BUCKETS_SECONDS } from "@plugboard/runtime";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { NO_PARKED_TARGET } from "../domain/parked-record.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import { TallyHistogram } from "./tally-histogram.ts";

/** Every reason for which a record is no event, or no parked copy. */
const MALFORMED: Readonly<Record<Refused["reason"] | typeof NO_PARKED_TARGET, true>> = {
  empty: true,
  "not-json": true,
  "not-an-object": true,
  "no-team": true,
  "no-event": true,
  invalid: true,
  "too-large": true,
  [NO_PARKED_TARGET]: true,
};

/**
 * What the router counts; see source-metrics.ts for what is known of its partitions. Labels grow with plugins (200 at
 * most in one team's table), their three lanes, and with the reasons there are, never with teams, forms or events.
 */
export function createRouterMetrics(registry: Registry): RouterMetrics {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const recordsIn = counter(
    "router_records_in_total",
    "Records read from the topic of events, repeated reads included.",
  );
  const copiesOut = counter(
    "router_copies_total",
    "Copies made for each plugin, by lane (live; priority is urgent; bulk is history or over quota), repeated ones included.",
    ["plugin", "lane"],
  );
  const overQuota = counter(
    "router_over_quota_total",
    "Copies that took the bulk lane because their team was over its quota. None is lost; they come after what is live.",
    ["plugin"],
  );
  const unmatched = counter(
    "router_unmatched_total",
    "Events that an enabled plugin, or a whole team, did not get, by reason. Normal for filters and forms; a rise of not-configured or filter-error is a team's settings.",
    ["reason"],
  );
  const malformed = counter(
    "router_malformed_total",
    "Records that are no events and went to the dead-letter topic, by reason; no-parked-target is a record of the parking topic.",
    ["reason"],
  );
  const filterErrors = counter(
    "router_filter_errors_total",
    "Events on which a team's filter could not be evaluated.",
    ["plugin"],
  );
  const parked = counter(
    "router_parked_total",
    "Copies put into the parking topic because their own could not be written. They go back by themselves when it can be.",
    ["topic"],
  );
  const parkedReturned = counter(
    "router_parked_returned_total",
    "Parked copies written to their own topic. At-least-once, some may be counted twice.",
    ["topic"],
  );
  const parkedExpired = counter(
    "router_parked_expired_total",
    "Times that copies were deleted from the parking topic before their own topic took them. Any is data loss.",
    ["topic"],
  );
  const rewinds = counter(
    "router_rewinds_total",
    "Times the brokers did not say what was written, and reading began again from the committed offsets.",
  );
  const offsetsLost = counter(
    "router_offsets_lost_total",
    "Times that a partition's records were deleted before they were routed. Any is data loss: retention is too short.",
  );
  const produceFailed = counter(
    "router_produce_failures_total",
    "Sends that failed in whole or in part; they are repeated.",
  );
  // A counter that is born at its first event shows no increase: what an alert looks at stands at 0 from the start.
  for (const reason of Object.keys(MALFORMED)) malformed.inc({ reason }, 0);
  const topics = new Set<string>();
  const inFlight = new Gauge({
    name: "router_in_flight_bytes",
    help: "Memory of records read and not settled; fetching pauses at the limit.",
    registers,
  });
  const batchRecords = new Histogram({
    name: "router_batch_records",
    help: "Records routed together.",
    buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000],
    registers,
  });
  const batchBytes = new Histogram({
    name: "router_batch_bytes",
    help: "Bytes routed together.",
    buckets: [1e3, 1e4, 1e5, 5e5, 1e6, 2e6, 4e6, 8e6],
    registers,
  });
  const produceSeconds = new Histogram({
    name: "router_produce_seconds",
    help: "From a send to the acknowledgement of all replicas in sync.",
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  });
  const produceRecords = new Histogram({
    name: "router_produce_records",
    help: "Records written to the brokers in one send.",
    buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000],
    registers,
  });
  const produceBytes = new Histogram({
    name: "router_produce_bytes",
    help: "Bytes written to the brokers in one send.",
    buckets: [1e3, 1e4, 1e5, 1e6, 4e6, 16e6],
    registers,
  });
  const eventSeconds = new TallyHistogram({
    name: "router_event_to_routed_seconds",
    help: "From the event's own time to its acknowledged copies.",
    buckets: END_TO_END_BUCKETS_SECONDS,
    registers,
  });
  const recordSeconds = new TallyHistogram({
    name: "router_record_to_routed_seconds",
    help: "From the record's time stamp in Kafka to its acknowledged copies: the router's own delay.",
    buckets: END_TO_END_BUCKETS_SECONDS,
    registers,
  });
  return {
    recordsIn: (count) => recordsIn.inc(count),
    copiesOut: (plugin, lane, topic, count) => {
      copiesOut.inc({ plugin, lane }, count);
      if (topics.has(topic)) return;
      topics.add(topic);
      parked.inc({ topic }, 0);
      parkedReturned.inc({ topic }, 0);
      parkedExpired.inc({ topic }, 0);
      overQuota.inc({ plugin }, 0);
    },
    overQuota: (plugin, count) => overQuota.inc({ plugin }, count),
    unmatched: (reason, count) => unmatched.inc({ reason }, count),
    malformed: (reason) => malformed.inc({ reason }),
    filterError: (plugin) => filterErrors.inc({ plugin }),
    parked: (topic, count) => parked.inc({ topic }, count),
    parkedReturned: (topic, count) => parkedReturned.inc({ topic }, count),
    parkedExpired: (topic) => parkedExpired.inc({ topic }),
    batchRouted: (records, bytes) => {
      batchRecords.observe(records);
      batchBytes.observe(bytes);
    },
    produced: (seconds, records, bytes) => {
      produceSeconds.observe(seconds);
      produceRecords.observe(records);
      produceBytes.observe(bytes);
    },
    produceFailed: () => produceFailed.inc(),
    inFlightBytes: (bytes) => inFlight.set(bytes),
    rewound: () => rewinds.inc(),
    offsetsLost: () => offsetsLost.inc(),
    routed: ({ count, eventMs, recordMs }, nowMs) => {
      for (let index = 0; index < count; index += 1) {
        eventSeconds.tally(Math.max(0, (nowMs - (eventMs[index] as number)) / 1_000));
        recordSeconds.tally(Math.max(0, (nowMs - (recordMs[index] as number)) / 1_000));
      }
    },
  };
}
