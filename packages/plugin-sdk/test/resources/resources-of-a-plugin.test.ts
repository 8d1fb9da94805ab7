import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SettingsError } from "@plugboard/runtime";
import { testEnvironment, waitUntil } from "@plugboard/stack";
import { z } from "zod";
import {
  definePlugin,
  delivered,
  env,
  httpClient,
  postgres,
  redis,
  resource,
  setting,
  startPlugin,
} from "../../src/index.ts";
import { Gate } from "../support/gate.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 40_000;
const metadata = { id: "keeper", name: "Keeper", description: "", version: "1", events: ["onResponse"] };

interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly { name: string; critical: boolean; problem: string | null; state?: string }[];
}

async function readiness(url: string): Promise<Readiness & { readonly status: number }> {
  const answer = await fetch(`${url}/readyz`);
  return { status: answer.status, ...((await answer.json()) as Readiness) };
}

describe("a plugin's resources, real ones", () => {
  let stage: PluginStage;
  beforeEach(async () => {
    stage = await openStage("keeper");
    stage.manager.enable("team-1");
  });
  afterEach(() => stage.close());

  test("come to handlers by name, two of one kind apart by prefix", async () => {
    const heard: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      heard.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.end("from the vendor");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const seen: unknown[] = [];
    const { databaseUrl, redisUrl } = testEnvironment();
    const key = `${stage.prefix}resource`;
    try {
      await stage.start(
        definePlugin({
          metadata,
          settings: z.object({}),
          resources: {
            reports: postgres("REPORTS"),
            archive: postgres("ARCHIVE"),
            cache: redis("CACHE"),
            vendor: httpClient("VENDOR", { checkPath: "/well" }),
          },
          onEvent: async (_, { resources: { reports, archive, cache, vendor }, signal }) => {
            const nameOf = async (pool: typeof reports) =>
              (await pool.query("SELECT current_database() AS name")).rows[0].name as string;
            await cache.set(key, "kept", "PX", 60_000);
            const answer = await vendor.fetch("/things?a=1", { method: "POST", signal });
            seen.push(await nameOf(reports), await nameOf(archive), await cache.get(key), await answer.text());
            return delivered();
          },
        }),
        {
          KEEPER_REPORTS_URL: stage.database.url,
          KEEPER_ARCHIVE_URL: databaseUrl,
          KEEPER_CACHE_URL: redisUrl,
          KEEPER_VENDOR_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`,
          KEEPER_VENDOR_TOKEN: "vendors-token",
        },
      );
      expect(await stage.settled(await stage.route({ team: "team-1", response: "r-1" }))).toBe("delivered");
      const databases = [stage.database.url, databaseUrl].map((url) => new URL(url).pathname.slice(1));
      expect(seen).toEqual([...databases, "kept", "from the vendor"]);
      expect(databases[0]).not.toBe(databases[1]);
      expect(heard).toContain("POST /v1/things?a=1 Bearer vendors-token");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("whose settings are wrong are told all at once, with those of the plugin, before anything is connected", async () => {
    let opened = false;
    const plugin = definePlugin({
      metadata,
      settings: z.object({}),
      resources: {
        reports: postgres("REPORTS"),
        mailer: resource({
          prefix: "MAIL",
          critical: false,
          settings: { PORT: setting(env.port(), "The mail server's port.") },
          open: () => {
            opened = true;
          },
        }),
      },
    });
    const wrong = stage.environment({
      KEEPER_REPORTS_CONNECTIONS_MAX: "many",
      KEEPER_MAIL_PORT: "smtp",
      PLUGIN_DRAIN_MS: "",
    });
    const error = await startPlugin(plugin, wrong).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SettingsError);
    expect((error as SettingsError).problems).toEqual([
      expect.stringContaining("PLUGIN_DRAIN_MS must be a whole number"),
      expect.stringContaining("KEEPER_REPORTS_URL is required (Postgres of this name.)"),
      expect.stringContaining("KEEPER_REPORTS_CONNECTIONS_MAX must be a whole number"),
      expect.stringContaining("KEEPER_MAIL_PORT must be a port number (The mail server's port.)"),
    ]);
    expect(opened).toBe(false);
  });

  test("with the same variables are an author's mistake", async () => {
    const plugin = definePlugin({
      metadata,
      settings: z.object({}),
      resources: { a: postgres("MAIN"), b: redis("MAIN"), c: redis("lower") },
    });
    await expect(startPlugin(plugin, stage.environment())).rejects.toThrow(
      /b: KEEPER_MAIN_URL is another resource's too\n.*c: the prefix "lower" is not of/,
    );
  });

  test("that are critical and away fail the start, each named", async () => {
    const plugin = definePlugin({
      metadata,
      settings: z.object({}),
      resources: { cache: redis("CACHE"), other: redis("OTHER"), spare: redis("SPARE", { critical: false }) },
    });
    const gate = new Gate(testEnvironment().redisUrl);
    await gate.open();
    await gate.shut();
    const away = `redis://127.0.0.1:${gate.port}`;
    const urls = { KEEPER_CACHE_URL: away, KEEPER_OTHER_URL: away, KEEPER_SPARE_URL: away };
    const start = startPlugin(plugin, stage.environment({ ...urls, PLUGIN_START_MS: "8000" }));
    await expect(start).rejects.toMatchObject({
      code: "startup-resource",
      message: expect.stringMatching(/^(?!.*spare).*cache: .*ECONNREFUSED.*; other: .*ECONNREFUSED/),
    });
  });

  test("that are not critical may be away: deliveries are retried, and delivered once they are back", async () => {
    const gate = new Gate(testEnvironment().redisUrl);
    await gate.open();
    await gate.shut();
    const key = `${stage.prefix}counter`;
    const plugin = await stage.start(
      definePlugin({
        metadata,
        settings: z.object({}),
        resources: { cache: redis("CACHE", { critical: false }) },
        onEvent: async ({ data }, { resources: { cache } }) => {
          if (data.optional === true && !cache.available) return delivered();
          await cache.use().incr(key);
          return delivered();
        },
      }),
      // Attempts enough for a machine on which it takes minutes until the resource is seen.
      {
        KEEPER_CACHE_URL: `redis://127.0.0.1:${gate.port}`,
        PLUGIN_RETRY_ATTEMPTS_MAX: "100",
        PLUGIN_RETRY_DELAY_MS_MAX: "3000",
      },
    );
    const of = async () => (await readiness(plugin.url)).checks.find(({ name }) => name === "resource cache");
    expect(await of()).toMatchObject({
      critical: false,
      state: "opening",
      problem: expect.stringMatching(/ECONNREFUSED/),
    });
    expect((await readiness(plugin.url)).status).toBe(200);
    expect(await fetch(`${plugin.url}/metrics`).then((answer) => answer.text())).toMatch(
      /plugin_resource_available\{resource="cache",plugin="keeper"\} 0/,
    );
    const without = await stage.route({ team: "team-1", response: "r-1", data: { optional: true } });
    expect(await stage.settled(without)).toBe("delivered");
    const needs = await stage.route({ team: "team-1", response: "r-2" });
    const retried = await waitUntil("it is retried", WAIT_MS, async () =>
      (await stage.outcomes(needs)).find(({ outcome }) => outcome === "retry"),
    );
    expect(retried.reason).toMatch(/^unavailable: cache: .*ECONNREFUSED/);
    await gate.open();
    try {
      expect(await stage.settled(needs)).toBe("delivered");
      expect(await of()).toMatchObject({ state: "available", problem: null });
      await gate.shut();
      await waitUntil("it is seen to be away", WAIT_MS, async () =>
        (await of())?.state === "unavailable" ? true : undefined,
      );
      expect((await readiness(plugin.url)).status).toBe(200);
    } finally {
      await gate.shut();
    }
  });
});
