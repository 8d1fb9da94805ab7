import { join } from "node:path";
import { type RunningStack, startStack } from "@plugboard/stack";
import { ensureForms, questionnaires } from "./feed.ts";
import { feedAndCount } from "./feed-and-count.ts";
import { plugIn } from "./plug-in.ts";
import { shown } from "./progress.ts";
import { renderSummary, type Summary, shortcomings } from "./report.ts";
import { type DemoTeam, demoTeams, PHONE_QUESTION } from "./scenario.ts";
import { launcher, type Service } from "./services.ts";
import {
  mintToken,
  type System,
  startCore,
  startManager,
  startPlugins,
  startRouters,
  writeDevelopmentFile,
} from "./system.ts";
import { accountsAt, startVendors, type Vendors } from "./vendors.ts";
import { whereToLook } from "./where-to-look.ts";

export interface DemoOptions {
  readonly once: boolean;
  readonly responses: number;
  readonly chaos: boolean;
  readonly json: boolean;
  /** Where data, logs, keys and dev.json are kept. */
  readonly directory: string;
}

/** The team shown in the "things to try". */
const SHOWN_TEAM = "nutrition-kenya";
/** Exit status after Ctrl-C, as shells have it. */
const INTERRUPTED = 130;

/** What has been started, in order; stopped in reverse. */
interface Started {
  stack?: RunningStack;
  vendors?: Vendors;
  readonly services: Service[];
}

/**
 * Runs the demo.
 * @returns the exit status: 0 when every response was delivered exactly where it should be.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const started: Started = { services: [] };
  const interruption = whenInterrupted();
  let summary: Summary | undefined;
  let status = 1;
  try {
    const work = showAll(options, started).then(async (shownSummary) => {
      summary = shownSummary;
      status = shortcomings(shownSummary, options.responses).length === 0 ? 0 : 1;
      if (!options.once) await interruption;
    });
    if ((await Promise.race([work, interruption])) === "interrupted" && summary === undefined) status = INTERRUPTED;
  } catch (error) {
    process.stderr.write(`\n${(error as Error).message}\n`);
  } finally {
    await shown("Stopping", () => stopAll(started));
  }
  if (options.json && summary !== undefined) print(JSON.stringify(summary));
  return status;
}

/** The first signal asks for an orderly end; the second leaves at once, and the children with it. */
function whenInterrupted(): Promise<"interrupted"> {
  return new Promise((resolve) => {
    let asked = false;
    const interrupt = () => {
      if (asked) process.exit(INTERRUPTED);
      asked = true;
      resolve("interrupted");
    };
    // Not `once`: the progress display's own signal handler ends the process when it finds no other listener.
    process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  });
}

async function stopAll(started: Started): Promise<void> {
  for (const service of started.services.toReversed()) await service.stop();
  await started.vendors?.stop();
  await started.stack?.stop();
}

/** Starts everything, feeds it, and shows what happened and where to look. */
async function showAll(options: DemoOptions, started: Started): Promise<Summary> {
  const { system, teams, vendors, developmentFile } = await startEverything(options, started);
  const summary = await feedAndCount(options, system, teams, vendors);
  print(`\n${renderSummary(summary)}`);
  for (const problem of shortcomings(summary, options.responses)) print(`NOT as it should be: ${problem}`);
  if (!options.once) {
    const form = teams.find(({ team }) => team === SHOWN_TEAM)?.form.id ?? "";
    print(`\n${whereToLook(system, SHOWN_TEAM, form, developmentFile)}\n\nCtrl-C stops everything.`);
  }
  return summary;
}

/** Starts each part as soon as what it needs is there, and plugs the teams' plugins in. */
async function startEverything(options: DemoOptions, started: Started) {
  const { directory } = options;
  const stack = await startStack({
    mode: "persistent",
    dataDir: join(directory, "stack"),
    title: "Kafka, Redis and PostgreSQL",
  });
  started.stack = stack;
  const { addresses } = stack;
  const launch = launcher(directory, (service) => started.services.push(service));
  const { manager, secrets } = await shown("The manager", () => startManager(launch, directory, addresses));
  const mint = (role: string, subject: string) => mintToken(manager.url, secrets.adminToken, role, subject);
  const tokens = {
    admin: secrets.adminToken,
    core: await mint("core", "collect-core"),
    router: await mint("router", "router"),
  };
  const vendors = await shown("Google and Twilio, emulated", startVendors);
  started.vendors = vendors;
  const core = await shown("The example core", () => startCore(launch, addresses, manager.url, tokens.core));
  // One of them is killed every 3 s: the others are at work while it starts again.
  const count = options.chaos ? 3 : 1;
  const [routers, plugins] = await shown("Router and plugins", () =>
    Promise.all([
      startRouters(launch, addresses, manager.url, tokens.router, count),
      startPlugins(launch, directory, addresses, manager.url, tokens.admin, vendors.urls),
    ]),
  );
  const teams = demoTeams(accountsAt(vendors));
  const teamTokens = await plugEverythingIn(manager.url, core.url, teams, mint);
  const system: System = { manager, routers, plugins, core, tokens, addresses };
  const developmentFile = await writeDevelopmentFile(directory, system, teamTokens, vendors.urls);
  return { system, teams, vendors, developmentFile };
}

async function plugEverythingIn(
  managerUrl: string,
  coreUrl: string,
  teams: readonly DemoTeam[],
  mint: (role: string, subject: string) => Promise<string>,
): Promise<Record<string, string>> {
  const tokens: Record<string, string> = {};
  for (const { team } of teams) tokens[team] = await mint("team", team);
  await shown("Teams plug their plugins in", async () => {
    await ensureForms(coreUrl, teams, [...Object.keys(questionnaires()[0] ?? {}), PHONE_QUESTION]);
    await plugIn(managerUrl, teams, tokens);
  });
  return tokens;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
