import type { RoutingTableView } from "@plugboard/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type CommandContext, contextOf } from "../command-context.ts";
import { CommandFailed, EXIT } from "../exit-code.ts";
import { kafkaAccess, withAdmin } from "../kafka-access.ts";
import { cell, colored, table } from "../output.ts";
import { type GroupLag, readTopicLags, type TopicState } from "../topic-lags.ts";
import { pluginsTable, readPlugins } from "./plugins.ts";
import { readRoutingTable, routingTableText } from "./routes.ts";

const readinessSchema = z.looseObject({ ready: z.boolean() });

interface Status {
  readonly manager: { readonly url: string } & z.infer<typeof readinessSchema>;
  readonly plugins: Awaited<ReturnType<typeof readPlugins>>;
  readonly routingTable: RoutingTableView;
  /** Null when nobody says where Kafka is, or it does not answer. */
  readonly kafka: {
    readonly brokers: string;
    readonly topics: readonly TopicState[];
    readonly lags: readonly GroupLag[];
  } | null;
  /** What is not as it should be; empty when all is well. */
  readonly problems: readonly string[];
}

/** `plugboard status`: 0 when all is well, 1 when something is not, 3 when the manager does not answer. */
export function statusCommand(program: Command): void {
  program
    .command("status")
    .description("is it all up: manager, plugins, routing table, topics and lags (exit status 1 when not)")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const status = await readStatus(context);
      context.output.result(status, () => statusText(status));
      if (status.problems.length > 0) process.exitCode = EXIT.failed;
    });
}

async function readStatus(context: CommandContext): Promise<Status> {
  const { manager } = context;
  // /readyz answers 503 with the same body when something critical is missing.
  const ready = await manager.call({ method: "GET", path: "/readyz", answer: readinessSchema, accepted: [503] });
  const [plugins, routingTable] = await Promise.all([readPlugins(context), readRoutingTable(context)]);
  const { kafka, problem } = await readKafka(context);
  const down = plugins.filter(({ status, up }) => status === "enabled" && !up);
  return {
    manager: { url: manager.url, ...ready },
    plugins,
    routingTable,
    kafka,
    problems: [
      ...(ready.ready ? [] : ["the manager is not ready"]),
      ...down.map(({ id }) => `plugin ${id} has no live instance`),
      ...(routingTable.agrees ? [] : ["the routing table in Redis is not what is stored"]),
      ...(problem === null ? [] : [problem]),
    ],
  };
}

async function readKafka({ addresses }: CommandContext): Promise<{ kafka: Status["kafka"]; problem: string | null }> {
  if (addresses.brokers === undefined) return { kafka: null, problem: null };
  const access = kafkaAccess(addresses);
  const { responses, pluginPrefix } = access.names;
  const wanted = (topic: string) =>
    topic === responses || topic === `${responses}.dlq` || topic.startsWith(pluginPrefix);
  try {
    const state = await withAdmin(access, (admin) => readTopicLags(admin, wanted));
    return { kafka: { brokers: access.brokers, ...state }, problem: null };
  } catch (error) {
    if (error instanceof CommandFailed && error.exitCode === EXIT.usage) throw error;
    return { kafka: null, problem: (error as Error).message };
  }
}

function statusText({ manager, plugins, routingTable, kafka, problems }: Status): string {
  const sections = [
    `manager ${manager.url}: ${manager.ready ? colored("good", "ready") : colored("bad", "not ready")}`,
    pluginsTable(plugins),
    routingTableText(routingTable),
    kafka === null ? "Kafka: not looked at (--brokers or KAFKA_BROKERS)" : topicsText(kafka),
    problems.length === 0
      ? colored("good", "All is well.")
      : problems.map((problem) => `${cell("bad", "!").shown} ${problem}`).join("\n"),
  ];
  return sections.join("\n\n");
}

function topicsText({ topics, lags }: NonNullable<Status["kafka"]>): string {
  if (topics.length === 0) return "No topic of Plugboard's is there.";
  const rows = topics.flatMap(({ topic, partitions, kept }) => {
    const readers = lags.filter((lag) => lag.topic === topic);
    const first = [topic, String(partitions), String(kept)];
    if (readers.length === 0) return [[...first, "", ""]];
    return readers.map(({ group, lag }, index) => [
      ...(index === 0 ? first : ["", "", ""]),
      group,
      lag === 0 ? cell("good", "0") : cell("odd", String(lag)),
    ]);
  });
  return table(["TOPIC", "PARTITIONS", "KEPT", "GROUP", "LAG"], rows);
}
