import { generateKeyPairSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { type GoogleSheetsEmulator, type Spreadsheet, startGoogleSheetsEmulator } from "@plugboard/testkit";
import { openStage, type PluginStage } from "../../../packages/plugin-sdk/test/support/plugin-stage.ts";
import { createGoogleSheetsPlugin } from "../src/plugin.ts";

const WAIT_MS = 40_000;
const TEST_MS = 240_000;
let settingsVersion = 0;
const PRIVATE_KEY = JSON.stringify(
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
);

let emulator: GoogleSheetsEmulator;
let stage: PluginStage;
let document: Spreadsheet;
beforeAll(async () => {
  emulator = await startGoogleSheetsEmulator({ quotaPerMinute: Number.POSITIVE_INFINITY });
});
afterAll(() => emulator.stop());
beforeEach(async () => {
  emulator.faults.clear();
  document = emulator.createSpreadsheet();
  stage = await openStage("google-sheets");
  stage.manager.enable("team-1");
});
afterEach(() => stage.close());

const initialize = (url: string, extra: object = {}) => {
  settingsVersion += 1;
  const settings = {
    spreadsheetId: document.id,
    sheet: "Sheet1",
    serviceAccount: JSON.stringify(emulator.serviceAccount),
    ...extra,
  };
  return stage.manager.call(url, "/initialize", { team: "team-1", version: settingsVersion, settings });
};
const route = (response: string, answers: object, revision = 1) =>
  stage.route({
    team: "team-1",
    response,
    revision,
    data: { answers },
    headers: { ce_type: revision === 1 ? "onResponse" : "onResponseUpdate" },
  });
/** Response ids in the sheet, with the answer `a` of each. */
const written = () => {
  const grid = document.sheets[0];
  const header = grid?.row(0) ?? [];
  return Array.from({ length: Math.max(0, (grid?.lastRow ?? 0) - 1) }, (_, index) => [
    grid?.get(index + 1, header.indexOf("Response ID")),
    grid?.get(index + 1, header.indexOf("a")),
  ]);
};
const ids = Array.from({ length: 60 }, (_, i) => `r${i}`);

describe("the Google Sheets plugin in its process, on real Kafka and Postgres", () => {
  test(
    "refuses a document it cannot edit, then writes every response once, through faults and edits",
    async () => {
      const plugin = await stage.start(createGoogleSheetsPlugin({ googleBaseUrl: emulator.url }), {
        PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
      });
      const unshared = emulator.createSpreadsheet({ shared: false });
      expect((await initialize(plugin.url, { spreadsheetId: unshared.id })).body).toMatchObject({
        status: "refused",
        reasons: [{ path: "/spreadsheetId", message: expect.stringContaining("share the spreadsheet with") }],
      });
      expect((await initialize(plugin.url)).body).toMatchObject({ status: "applied" });
      emulator.faults.next(2, { loseAnswer: true });
      emulator.faults.next(3, { status: 503 });
      const deliveries = await Promise.all(ids.map((id) => route(id, { a: "first" })));
      for (const id of deliveries) expect(await stage.settled(id)).toBe("delivered");
      const edits = await Promise.all(ids.slice(0, 20).map((id) => route(id, { a: "edited" }, 2)));
      for (const id of edits) expect(await stage.settled(id)).toBe("delivered");
      expect(written().sort()).toEqual(ids.map((id, i) => [id, i < 20 ? "edited" : "first"]).sort());
      await stage.committed();
    },
    TEST_MS,
  );

  test(
    "killed after Google had written and before it knew, it writes no second row",
    async () => {
      const start = () =>
        startProcess({
          entry: "plugins/google-sheets/src/main.ts",
          name: "google-sheets",
          env: stage.environment({
            GOOGLE_SHEETS_GOOGLE_BASE_URL: emulator.url,
            PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
            // What a killed process held is free again after seconds.
            PLUGIN_HANDLER_DEADLINE_MS: "2000",
            LOG_LEVEL: "info",
          }),
        });
      const setUp = await stage.start(createGoogleSheetsPlugin({ googleBaseUrl: emulator.url }), {
        PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
      });
      expect((await initialize(setUp.url)).body).toMatchObject({ status: "applied" });
      await setUp.stop();
      const deliveries = await Promise.all(ids.slice(0, 12).map((id) => route(id, { a: 1 })));
      // The first update is done, but its answer comes so late that the kill is before it.
      emulator.faults.next(1, { answerLatencyMs: 60_000, match: (request) => request.path.endsWith(":batchUpdate") });
      const first = await start();
      await waitUntil("Google has written", WAIT_MS, () => (written().length > 0 ? true : undefined));
      await first.kill("SIGKILL");
      const second = await start();
      try {
        for (const id of deliveries) expect(await stage.settled(id)).toBe("delivered");
        expect(written().sort()).toEqual(
          ids
            .slice(0, 12)
            .map((id) => [id, 1])
            .sort(),
        );
      } finally {
        await second.kill("SIGTERM");
      }
    },
    TEST_MS,
  );
});
