import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, KafkaMessage } from "@plugboard/kafka";
import { withDeadline } from "@plugboard/runtime";
import { type Command, Option } from "commander";
import { contextOf } from "../command-context.ts";
import { CommandFailed, EXIT } from "../exit-code.ts";
import { wholeNumber } from "../json-input.ts";
import { KAFKA_MS_MAX, type KafkaAccess, kafkaAccess, withAdmin } from "../kafka-access.ts";
import { colored, type Output } from "../output.ts";
import { plainText } from "../plain-text.ts";
import { headersOf, parsedValue, summarise } from "../record-summary.ts";

/** Without --follow, how long nothing may come before the end is taken for reached, milliseconds: transactions' own marks at the end of a partition are never delivered. */
const IDLE_MS_MAX = 3_000;

interface TailOptions {
  readonly from: "beginning" | "latest";
  readonly limit?: number;
  readonly team?: string;
  readonly headers?: true;
  readonly follow: boolean;
}

/** `plugboard tail <topic>`: ends with Ctrl-C, at the limit, or (--no-follow) at what was the end when it began. */
export function tailCommand(program: Command): void {
  program
    .command("tail <topic>")
    .description("print a topic's records as they come, a line each; reads along and commits nothing")
    .addOption(new Option("--from <where>", "where to begin").choices(["beginning", "latest"]).default("latest"))
    .option("--limit <number>", "end after so many", wholeNumber(1, 1_000_000_000))
    .option("--team <team>", "this team's only")
    .option("--headers", "every header, too")
    .option("--no-follow", "end where the topic ends now")
    .action(async (topic: string, options: TailOptions, command: Command) => {
      const { addresses, output } = contextOf(command);
      const access = kafkaAccess(addresses);
      const ends = await endsOf(access, topic);
      await tail(access, topic, options, ends, output);
    });
}

/** Where each partition ends now; those with nothing in them are left out. */
async function endsOf(access: KafkaAccess, topic: string): Promise<Map<number, number>> {
  const offsets = await withAdmin(access, async (admin) => {
    if (!(await admin.listTopics()).includes(topic)) throw new CommandFailed(EXIT.failed, `there is no topic ${topic}`);
    return await admin.fetchTopicOffsets(topic);
  });
  return new Map(
    offsets.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, Number(high)]),
  );
}

async function tail(
  access: KafkaAccess,
  topic: string,
  options: TailOptions,
  ends: Map<number, number>,
  output: Output,
): Promise<void> {
  const atOnce = !options.follow && (options.from === "latest" || ends.size === 0);
  if (atOnce) return;
  const consumer = access.client.consumer({ groupId: `plugboard-tail-${randomUUID()}`, maxWaitTimeInMs: 200 });
  const done = Promise.withResolvers<void>();
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let lastAt = performance.now();
  const print = (partition: number, message: KafkaMessage) => {
    lastAt = performance.now();
    if (left > 0 && printRecord(topic, partition, message, options, output)) left -= 1;
    if (Number(message.offset) + 1 >= (ends.get(partition) ?? 0)) ends.delete(partition);
    if (left <= 0 || (!options.follow && ends.size === 0)) done.resolve();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => done.resolve());
  // Whoever reads our output (`head`) may have had enough.
  process.stdout.on("error", () => done.resolve());
  const idle = new AbortController();
  try {
    await begin(consumer, topic, options, print, access.brokers);
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) done.reject(new CommandFailed(EXIT.unreachable, `Kafka: ${payload.error.message}`));
    });
    if (!options.follow) watchIdle(() => lastAt, idle.signal).then(done.resolve, () => undefined);
    await done.promise;
  } finally {
    idle.abort();
    await withDeadline(consumer.disconnect(), KAFKA_MS_MAX, "no goodbye").catch(() => undefined);
  }
}

async function begin(
  consumer: Consumer,
  topic: string,
  options: TailOptions,
  print: (partition: number, message: KafkaMessage) => void,
  brokers: string,
): Promise<void> {
  const started = (async () => {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: options.from === "beginning" });
    const joined = Promise.withResolvers<void>();
    consumer.on(consumer.events.GROUP_JOIN, () => joined.resolve());
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => print(partition, message),
    });
    await joined.promise;
  })();
  await withDeadline(started, 2 * KAFKA_MS_MAX, "no answer").catch((error: Error) => {
    throw new CommandFailed(EXIT.unreachable, `Kafka at ${brokers} does not answer: ${error.message}`);
  });
  if (options.follow) process.stderr.write(`reading ${topic}; Ctrl-C ends it\n`);
}

async function watchIdle(lastAt: () => number, signal: AbortSignal): Promise<void> {
  const since = performance.now();
  while (performance.now() - Math.max(lastAt(), since) < IDLE_MS_MAX) await sleep(100, undefined, { signal });
}

/** @returns whether it was printed. */
function printRecord(
  topic: string,
  partition: number,
  message: KafkaMessage,
  { team, headers }: TailOptions,
  output: Output,
): boolean {
  const summary = summarise(message);
  if (team !== undefined && summary.team !== team) return false;
  const key = message.key?.toString() ?? null;
  const timestamp = new Date(Number(message.timestamp)).toISOString();
  const record = {
    topic,
    partition,
    offset: message.offset,
    timestamp,
    key,
    headers: headersOf(message),
    value: parsedValue(message.value),
    summary,
  };
  output.line(record, () => {
    const line = `${colored("dim", timestamp)} ${partition}/${message.offset} ${plainText(key ?? "-", 80)}  ${summary.text}`;
    if (!headers) return line;
    const named = Object.entries(record.headers).map(
      ([name, value]) => `    ${plainText(name)}: ${plainText(value ?? "")}`,
    );
    return [line, ...named].join("\n");
  });
  return true;
}
