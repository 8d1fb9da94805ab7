import { setTimeout as sleep } from "node:timers/promises";
import { pluginViewSchema } from "@plugboard/contract";
import type { Command } from "commander";
import { contextOf } from "../command-context.ts";
import { CommandFailed, EXIT } from "../exit-code.ts";
import { wholeNumber } from "../json-input.ts";

const POLL_MS = 500;
const WAIT_SECONDS_USUAL = 300;

/** `plugboard plugins rotate-key <plugin>`: takes the key that its instances have registered, and has secrets sealed anew to it. */
export function rotateKeyCommand(plugins: Command): void {
  plugins
    .command("rotate-key <plugin>")
    .description(
      "take the new key that the plugin's instances hold: from then on secrets are sealed to it, and those there are sealed anew",
    )
    .option("--wait", "until every team's secrets are sealed to it: then the old key can go")
    .option("--timeout <seconds>", "how long to wait", wholeNumber(1, 86_400), WAIT_SECONDS_USUAL)
    .action(async (plugin: string, options: { wait?: true; timeout: number }, command: Command) => {
      const { manager, addresses, output } = contextOf(command);
      const path = `/v1/plugins/${encodeURIComponent(plugin)}`;
      const call = { path, token: addresses.adminToken, answer: pluginViewSchema } as const;
      const view = () => manager.call({ ...call, method: "GET" });
      let latest = await view();
      if (latest.pendingApproval.includes("publicKey"))
        latest = await manager.call({ ...call, method: "PATCH", body: { approve: ["publicKey"] } });
      else
        output.note(
          "No new key waits: what instances registered last is in use. See docs/RUNBOOK.md, Rotate a plugin's key.",
        );
      const deadline = performance.now() + options.timeout * 1_000;
      while (options.wait && latest.teamsToReseal > 0 && performance.now() < deadline) {
        await sleep(POLL_MS);
        latest = await view();
      }
      const { teamsToReseal, publicKey } = latest;
      const key = String(publicKey?.kid ?? "none");
      output.result({ key, teamsToReseal }, () =>
        teamsToReseal === 0
          ? `Every team's secrets are sealed to ${key}: older keys can go from PLUGIN_PRIVATE_KEY.`
          : `Secrets are sealed to ${key} from now on. Those of ${teamsToReseal} team(s) are still to be sealed anew: keep the older keys.`,
      );
      if (options.wait && teamsToReseal > 0)
        throw new CommandFailed(EXIT.failed, `not done within ${options.timeout} s; it goes on by itself`);
    });
}
