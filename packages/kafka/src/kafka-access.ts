import { deadLetterTopic, LANES, type Lane, laneGroup, parkedGroup, pluginTopics } from "@plugboard/contract";

/** What a process may do with what of Kafka; everything else is refused to it. */
export interface KafkaAccess {
  readonly resource: "topic" | "group" | "transactional-id";
  readonly name: string;
  /** `prefixed`: everything whose name starts so. */
  readonly pattern: "literal" | "prefixed";
  /** As kafka-acls names them. READ and WRITE include DESCRIBE. */
  readonly operations: readonly ("Create" | "Delete" | "Describe" | "DescribeConfigs" | "Read" | "Write")[];
  /** For people. */
  readonly why: string;
}

/** Names as the settings give them. */
export interface KafkaNames {
  readonly responses: string;
  readonly pluginPrefix: string;
  readonly deliveries: string;
  readonly commands: string;
  readonly parked: string;
  readonly routerGroup: string;
  readonly coreGroup: string;
  readonly pluginGroup: (plugin: string) => string;
}

export const DEFAULT_KAFKA_NAMES: KafkaNames = {
  responses: "responses",
  pluginPrefix: "plugin.",
  deliveries: "deliveries",
  commands: "core.commands",
  parked: "router.parked",
  routerGroup: "plugboard-router",
  coreGroup: "collect-core",
  pluginGroup: (plugin) => `plugboard.${plugin}`,
};

const LANE_NOTES: Readonly<Record<Lane, string>> = {
  priority: " that are urgent",
  live: ", and no other plugin's",
  bulk: " of the past, and those over a team's quota",
};

export function managerAccess(names: KafkaNames): KafkaAccess[] {
  return [
    prefixed("topic", names.pluginPrefix, ["Create", "Describe"], "creates a plugin's topic when it registers"),
    prefixed("topic", names.pluginPrefix, ["Delete"], "deletes them when it is deregistered with its topics"),
    literal("topic", names.deliveries, ["Create", "Describe"], "creates the topic of outcomes"),
    literal("topic", names.commands, ["Create", "Describe"], "creates the topic of commands to the core"),
  ];
}

/** `exactly-once` needs its last line only. */
export function routerAccess(names: KafkaNames): KafkaAccess[] {
  return [
    literal("topic", names.responses, ["Read"], "reads events"),
    literal(
      "topic",
      names.responses,
      ["DescribeConfigs"],
      "tells how they are kept: for the alert on lag, and at start",
    ),
    literal("group", names.routerGroup, ["Read"], "shares them with the other routers"),
    prefixed("topic", names.pluginPrefix, ["Write"], "writes every plugin's copies"),
    literal("topic", deadLetterTopic(names.responses), ["Create", "Write"], "what is no event"),
    literal("topic", names.parked, ["Create", "Read", "Write"], "copies whose own topic cannot be written, and back"),
    literal(
      "topic",
      names.parked,
      ["DescribeConfigs"],
      "tells how they are kept: for the alert on held copies, and at start",
    ),
    literal("group", parkedGroup(names.routerGroup), ["Read"], "shares their way back with the other routers"),
    literal("topic", names.deliveries, ["Write"], "tells of filters that could not be evaluated"),
    prefixed("topic", names.pluginPrefix, ["DescribeConfigs"], "refuses to start where settings would lose data"),
    ...[deadLetterTopic(names.responses), names.deliveries].map((topic) =>
      literal("topic", topic, ["DescribeConfigs"], "the same; not granted, it starts and says what was not checked"),
    ),
    prefixed("transactional-id", `${names.routerGroup}-`, ["Write"], "with ROUTER_DELIVERY=exactly-once"),
  ];
}

export function pluginAccess(plugin: string, names: KafkaNames): KafkaAccess[] {
  const { deadLetter, ...lanes } = pluginTopics(plugin, names.pluginPrefix);
  const group = names.pluginGroup(plugin);
  return [
    ...LANES.flatMap((lane) => [
      literal("topic", lanes[lane], ["Read"], `reads its deliveries${LANE_NOTES[lane]}`),
      literal("topic", lanes[lane], ["DescribeConfigs"], "tells how long they are kept, for the alert on lag"),
      literal("group", laneGroup(group, lane), ["Read"], "shares them between its instances"),
    ]),
    literal("topic", deadLetter, ["Create", "Write"], "what it has given up"),
    literal("topic", names.deliveries, ["Write"], "tells what became of each delivery"),
    literal("topic", names.commands, ["Write"], "only for a plugin that flags responses"),
  ];
}

export function coreAccess(names: KafkaNames): KafkaAccess[] {
  return [
    literal("topic", names.responses, ["Create", "Write"], "emits events"),
    literal("topic", names.commands, ["Create", "Read"], "reads flags"),
    literal("group", names.coreGroup, ["Read"], "shares them between its instances"),
    literal("topic", deadLetterTopic(names.commands), ["Create", "Write"], "commands that are none"),
  ];
}

/** What grants it, as arguments of kafka-acls; where and as whom it is run come before. */
export function grant(user: string, { resource, name, pattern, operations }: KafkaAccess): string[] {
  return [
    "--add",
    "--allow-principal",
    `User:${user}`,
    ...operations.flatMap((operation) => ["--operation", operation]),
    `--${resource}`,
    name,
    ...(pattern === "prefixed" ? ["--resource-pattern-type", pattern] : []),
  ];
}

function literal(
  resource: KafkaAccess["resource"],
  name: string,
  operations: KafkaAccess["operations"],
  why: string,
): KafkaAccess {
  return { resource, name, pattern: "literal", operations, why };
}

function prefixed(
  resource: KafkaAccess["resource"],
  name: string,
  operations: KafkaAccess["operations"],
  why: string,
): KafkaAccess {
  return { resource, name, pattern: "prefixed", operations, why };
}
