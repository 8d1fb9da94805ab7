import {
  coreAccess,
  DEFAULT_KAFKA_NAMES,
  grant,
  type KafkaAccess,
  managerAccess,
  pluginAccess,
  routerAccess,
} from "../packages/kafka/src/kafka-access.ts";

const MARKS = { begin: "<!-- generated -->", end: "<!-- /generated -->" };

/** docs/kafka-security.md with its lists of rights as the code has them; the rest of the page is written by hand. */
export function kafkaAccessPage(page: string): string {
  const [begin, end] = [page.indexOf(MARKS.begin), page.indexOf(MARKS.end)];
  if (begin < 0 || end < begin) throw new Error(`docs/kafka-security.md lost its marks ${MARKS.begin}, ${MARKS.end}`);
  const names = DEFAULT_KAFKA_NAMES;
  const lists = [
    section("The manager", "manager", managerAccess(names)),
    section("The routers", "router", routerAccess(names)),
    section("A plugin", "sms", pluginAccess("sms", names), "Here `sms`; each plugin the same with its own id."),
    section("The core", "core", coreAccess(names), "Another core than `collect-core` needs only what it does."),
  ];
  return `${page.slice(0, begin + MARKS.begin.length)}\n\n${lists.join("\n")}\n${page.slice(end)}`;
}

function section(title: string, user: string, access: readonly KafkaAccess[], intro?: string): string {
  const rows = access.map(({ resource, name, pattern, operations, why }) => {
    const what = `\`${name}\`${pattern === "prefixed" ? " and what starts so" : ""}`;
    return `| ${resource} | ${what} | ${operations.join(", ")} | ${why} |`;
  });
  const commands = access.map(
    (one) =>
      `kafka-acls --bootstrap-server "$KAFKA_BROKERS" --command-config admin.properties ${grant(user, one).join(" ")}`,
  );
  return [
    `### ${title}`,
    "",
    ...(intro === undefined ? [] : [intro, ""]),
    "| resource | name | operations | why |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
    "```sh",
    ...commands,
    "```",
    "",
  ].join("\n");
}
