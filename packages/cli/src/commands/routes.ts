import { type RoutingTableView, rebuildResponseSchema, routingTableViewSchema } from "@plugboard/contract";
import type { Command } from "commander";
import { type CommandContext, contextOf } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { cell, table } from "../output.ts";

/** A million entries take about a minute. */
const REBUILD_MS_MAX = 600_000;

/** `plugboard routes show|rebuild`. */
export function routesCommand(program: Command): void {
  const routes = program.command("routes").description("the routing table that routers read from Redis");
  routes
    .command("show", { isDefault: true })
    .description("what is stored, and what Redis has of it (exit status 1 when they differ)")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const view = await readRoutingTable(context);
      context.output.result(view, () => routingTableText(view));
      if (!view.agrees) process.exitCode = EXIT.failed;
    });
  routes
    .command("rebuild")
    .description("write it in Redis anew, from what is stored: after a backup was restored")
    .action(async (_options: object, command: Command) => {
      const { manager, addresses, output } = contextOf(command);
      const answer = await manager.call({
        method: "POST",
        path: "/v1/routing-table/rebuild",
        token: addresses.adminToken,
        answer: rebuildResponseSchema,
        deadlineMs: REBUILD_MS_MAX,
      });
      output.result(answer, () => `Rebuilt: ${answer.entries} entries under the epoch ${answer.epoch}.`);
    });
}

export async function readRoutingTable({ manager, addresses }: CommandContext): Promise<RoutingTableView> {
  return await manager.call({
    method: "GET",
    path: "/v1/routing-table",
    token: addresses.adminToken,
    answer: routingTableViewSchema,
  });
}

export function routingTableText({ stored, redis, waiting, agrees }: RoutingTableView): string {
  return table(
    ["ROUTES", "EPOCH", "CHANGES"],
    [
      ["stored", stored?.epoch ?? "none yet", stored === null ? "" : String(stored.seq)],
      [
        "in Redis",
        redis === null ? cell("bad", "no answer") : (redis.epoch ?? cell("bad", "incomplete")),
        redis === null ? "" : String(redis.seq),
      ],
      ["waiting", agrees ? cell("good", "in agreement") : cell("odd", "not in agreement"), String(waiting.changes)],
    ],
  );
}
