import type { TeamPluginView } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import { callJson } from "./json-client.ts";
import type { DemoTeam } from "./scenario.ts";

const APPLIED_DEADLINE_MS = 30_000;

/**
 * Does what a team would do in its console: enables its plugins and configures them, then waits until each plugin has
 * applied its settings.
 * @throws with the plugin's reasons when it refuses them.
 */
export async function plugIn(
  managerUrl: string,
  teams: readonly DemoTeam[],
  tokens: Readonly<Record<string, string>>,
): Promise<void> {
  const all = teams.flatMap(({ team, plugins }) => plugins.map((plugin) => ({ team, ...plugin })));
  await Promise.all(
    all.map(async ({ team, plugin, enablement, settings }) => {
      const url = `${managerUrl}/v1/teams/${team}/plugins/${plugin}`;
      const token = tokens[team] ?? "";
      await callJson("PUT", url, { token, body: enablement });
      await callJson("PUT", `${url}/config`, { token, body: settings });
      await waitUntil(`${plugin} applies the settings of ${team}`, APPLIED_DEADLINE_MS, async () => {
        const view = await callJson<TeamPluginView>("GET", url, { token });
        const { state, reasons } = view.settings;
        if (state === "refused")
          throw new Error(`${plugin} refused the settings of ${team}: ${JSON.stringify(reasons)}`);
        return state === "applied" || undefined;
      });
    }),
  );
}
