import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Delivery, DeliveryContext, Outcome } from "@plugboard/plugin-sdk";
import { createTestDatabase } from "@plugboard/stack";
import { type GoogleSheetsEmulator, type Spreadsheet, startGoogleSheetsEmulator } from "@plugboard/testkit";
import { Pool } from "pg";
import { createGoogleSheetsPlugin } from "../src/plugin.ts";
import { FIXED_COLUMNS } from "../src/response-row.ts";
import { type SheetsSettings, settingsSchema } from "../src/settings.ts";

let emulator: GoogleSheetsEmulator;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Pool;
let plugin: ReturnType<typeof createGoogleSheetsPlugin>;
let document: Spreadsheet;

const FIXED = Object.values(FIXED_COLUMNS);

beforeAll(async () => {
  emulator = await startGoogleSheetsEmulator({ quotaPerMinute: Number.POSITIVE_INFINITY });
  database = await createTestDatabase();
  db = new Pool({ connectionString: database.url, max: 8 });
  // A pool resolves `end` before its last connections are gone; the drop of the database then breaks them.
  db.on("error", () => {});
  plugin = createGoogleSheetsPlugin({ googleBaseUrl: emulator.url });
  for (const sql of plugin.migrations ?? []) await db.query(sql);
});
afterAll(async () => {
  await db.end();
  await database.drop();
  await emulator.stop();
});
beforeEach(() => {
  emulator.faults.clear();
  emulator.quota.read.limit = Number.POSITIVE_INFINITY;
  emulator.quota.write.limit = Number.POSITIVE_INFINITY;
  document = emulator.createSpreadsheet({ title: "Survey" });
});

const settingsOf = (extra: object = {}): SheetsSettings =>
  settingsSchema.parse({
    spreadsheetId: document.id,
    serviceAccount: JSON.stringify(emulator.serviceAccount),
    sheet: "Sheet1",
    ...extra,
  });

function delivery(responseId: string, answers: object, event: Partial<Delivery["event"]> = {}): Delivery {
  const type = event.type ?? "onResponse";
  const revision = event.revision ?? (type === "onResponse" ? 1 : 2);
  return {
    id: `${responseId}-${type}-${revision}`,
    effectKey: `${responseId}-${type}-${revision}`,
    team: "team-1",
    attempt: 1,
    data: { answers, collector: "c1" },
    event: {
      id: "e",
      source: "core",
      teamId: "team-1",
      formId: "f1",
      time: "2026-01-02T03:04:05.000Z",
      priority: null,
      ...event,
      type,
      revision,
      responseId,
    },
  };
}
const edit = (responseId: string, answers: object, revision = 2) =>
  delivery(responseId, answers, { type: "onResponseUpdate", revision });

async function deliver(
  given: Delivery,
  settings = settingsOf(),
  by = plugin,
  signal = new AbortController().signal,
): Promise<Outcome | undefined> {
  const context = { team: "team-1", settings, db, signal, logger: { debug: () => {} } };
  return by.onEvent?.(given, context as unknown as DeliveryContext<SheetsSettings>);
}

const DELIVERED = { kind: "delivered" };
const grid = (title = "Sheet1") => {
  const found = document.sheets.find((sheet) => sheet.title === title);
  if (found === undefined) throw new Error(`no sheet ${title}`);
  return found;
};
const rows = (title?: string) => Array.from({ length: grid(title).lastRow }, (_, row) => grid(title).row(row));
/** The sheet as records by column title, without the header. */
const records = (title?: string) => {
  const [header = [], ...body] = rows(title);
  return body.map((row) => Object.fromEntries(header.map((name, index) => [String(name), row[index] ?? null])));
};

describe("a response", () => {
  test("becomes one row with its questions as columns, under a header", async () => {
    expect(await deliver(delivery("r1", { age: 41, name: "Amina", smokes: false, foods: ["rice", "beans"] }))).toEqual(
      DELIVERED,
    );
    expect(rows()).toEqual([
      [...FIXED, "age", "name", "smokes", "foods"],
      ["r1", "2026-01-02T03:04:05.000Z", "c1", "f1", 1, null, 41, "Amina", false, "rice, beans"],
    ]);
  });

  test("goes to a sheet named like its form when none is named, made when it is not there", async () => {
    const settings = settingsOf({ sheet: undefined });
    await deliver(delivery("r1", { q: "a" }, { formId: "it's a 'form'!" }), settings);
    await deliver(delivery("r2", { q: "b" }, { formId: "it's a 'form'!" }), settings);
    await deliver(delivery("r3", { q: "c" }, { formId: "other" }), settings);
    expect(records("it's a 'form'!").map(({ q }) => q)).toEqual(["a", "b"]);
    expect(records("other").map(({ q }) => q)).toEqual(["c"]);
    expect(rows("Sheet1")).toEqual([]);
  });

  test("with 1,094 questions is normal: the grid is extended, one read and one write a response", async () => {
    const answers = Object.fromEntries(Array.from({ length: 1_094 }, (_, i) => [`question_${i}`, `answer ${i}`]));
    await deliver(delivery("r0", answers));
    const before = { ...emulator.calls };
    expect(await deliver(delivery("r1", answers))).toEqual(DELIVERED);
    expect({ read: emulator.calls.read - before.read, write: emulator.calls.write - before.write }).toEqual({
      read: 1,
      write: 1,
    });
    expect(grid().columnCount).toBe(1_100);
    expect(records()[1]).toMatchObject({ question_0: "answer 0", question_1093: "answer 1093" });
  });

  test("adds columns for new questions on the right, and leaves those of others empty", async () => {
    await deliver(delivery("r1", { a: 1, b: 2 }));
    await deliver(delivery("r2", { b: 3, c: 4 }));
    expect(rows()[0]).toEqual([...FIXED, "a", "b", "c"]);
    expect(records()).toMatchObject([
      { a: 1, b: 2, c: null },
      { a: null, b: 3, c: 4 },
    ]);
  });

  test("never becomes a formula", async () => {
    const answers = { a: '=IMPORTXML("http://evil/")', b: "+1", c: "-1+1", d: "@x", "=title": "007" };
    await deliver(delivery("r1", answers));
    expect(records()[0]).toMatchObject(answers);
  });

  test("with an answer too long for a cell is kept, the answer cut and marked", async () => {
    expect(await deliver(delivery("r1", { essay: "x".repeat(60_000) }))).toEqual(DELIVERED);
    const cell = String(records()[0]?.essay);
    expect(cell).toHaveLength(50_000);
    expect(cell).toMatch(/\[cut: 60000 characters, a cell holds 50000\]$/);
  });

  test("whose questions are named like the fixed columns does not overwrite them", async () => {
    await deliver(delivery("r1", { Revision: "mine", " Status ": "open", "": "x" }));
    expect(records()[0]).toMatchObject({
      Revision: 1,
      "Revision (answer)": "mine",
      "Status (answer)": "open",
      "(unnamed)": "x",
    });
  });

  test("is narrowed to the chosen columns, in their order and under their titles", async () => {
    const settings = settingsOf({ columns: [{ answer: "b", title: "Bee" }, { answer: "a" }] });
    await deliver(delivery("r1", { a: 1, b: 2, secret: 3 }), settings);
    expect(rows()[0]).toEqual([...FIXED, "Bee", "a"]);
    expect(records()[0]).toMatchObject({ Bee: 2, a: 1 });
  });

  test("that is no response is nothing to write", async () => {
    const { event, ...rest } = delivery("r1", {});
    expect(await deliver({ ...rest, event: { ...event, responseId: null } })).toEqual(DELIVERED);
    expect(rows()).toEqual([]);
  });
});

describe("a redelivery, an edit, a deletion", () => {
  test("a redelivery makes no second row", async () => {
    await deliver(delivery("r1", { a: 1 }));
    await deliver(delivery("r2", { a: 2 }));
    expect(await deliver(delivery("r1", { a: 1 }))).toEqual(DELIVERED);
    expect(records().map((row) => row[FIXED_COLUMNS.id])).toEqual(["r1", "r2"]);
  });

  test("an edit changes its row, clears what is no longer answered, and leaves the team's own columns", async () => {
    await deliver(delivery("r1", { a: 1, b: 2 }));
    await deliver(delivery("r2", { a: 9 }));
    grid().set(0, 8, "Notes");
    grid().set(1, 8, "called back");
    expect(await deliver(edit("r1", { a: 5, c: 6 }))).toEqual(DELIVERED);
    expect(records()).toMatchObject([
      { "Response ID": "r1", Revision: 2, a: 5, b: null, Notes: "called back", c: 6 },
      { "Response ID": "r2", a: 9 },
    ]);
  });

  test("an edit of a response that has no row yet writes one; its late first event changes nothing", async () => {
    await deliver(edit("r1", { a: 2 }));
    await deliver(delivery("r1", { a: 1 }));
    expect(records()).toMatchObject([{ "Response ID": "r1", Revision: 2, a: 2 }]);
  });

  test("an older revision never replaces a newer one", async () => {
    await deliver(delivery("r1", { a: 1 }));
    await deliver(edit("r1", { a: 3 }, 3));
    expect(await deliver(edit("r1", { a: 2 }, 2))).toEqual(DELIVERED);
    expect(records()).toMatchObject([{ Revision: 3, a: 3 }]);
  });

  test("a deletion empties the row and marks it; nothing brings it back", async () => {
    await deliver(delivery("r1", { a: 1, name: "Amina" }));
    await deliver(delivery("r1", {}, { type: "onResponseDelete", revision: 3 }));
    await deliver(edit("r1", { a: 2 }, 2));
    expect(records()).toEqual([
      {
        "Response ID": "r1",
        "Submitted at": null,
        Collector: null,
        Form: "f1",
        Revision: 3,
        Status: "deleted",
        a: null,
        name: null,
      },
    ]);
  });

  test("a deletion of what was never written writes nothing, and is remembered", async () => {
    await deliver(delivery("r0", { a: 1 }));
    await deliver(delivery("r1", {}, { type: "onResponseDelete", revision: 3 }));
    await deliver(delivery("r1", { a: 1 }));
    expect(records().map((row) => row[FIXED_COLUMNS.id])).toEqual(["r0"]);
  });

  test("edits find their row after the team sorted, removed and inserted rows, and renamed and moved columns", async () => {
    for (const id of ["r1", "r2", "r3"]) await deliver(delivery(id, { a: id, b: 0 }));
    await deliver(edit("r3", { a: "hint", b: 0 }));
    grid().remove("ROWS", 1, 1);
    grid().insert("COLUMNS", 0, 1);
    grid().set(0, 0, "My notes");
    await deliver(edit("r3", { a: "edited", b: 1 }, 3));
    await deliver(edit("r2", { a: "edited too", b: 1 }, 2));
    grid().insert("ROWS", 1, 2);
    await deliver(edit("r3", { a: "again", b: 2 }, 4));
    expect(rows()[0]).toEqual(["My notes", ...FIXED, "a", "b"]);
    expect(records().filter((row) => row["Response ID"] !== null)).toMatchObject([
      { "Response ID": "r2", a: "edited too", b: 1 },
      { "Response ID": "r3", a: "again", b: 2 },
    ]);
  });

  test("edits go on when the row they were in lies outside the grid now", async () => {
    await deliver(delivery("r1", { a: 1 }));
    await deliver(edit("r1", { a: 2 }));
    grid().remove("ROWS", 1, 999);
    expect(await deliver(edit("r1", { a: 3 }, 3))).toEqual(DELIVERED);
    expect(records()).toMatchObject([{ "Response ID": "r1", a: 3 }]);
  });
});

describe("when many deliveries come at once", () => {
  test("each response gets exactly one row, in few calls", async () => {
    const before = { ...emulator.calls };
    const ids = Array.from({ length: 120 }, (_, i) => `r${i}`);
    const outcomes = await Promise.all(ids.map((id, i) => deliver(delivery(id, { a: i, [`only_${i % 7}`]: i }))));
    expect(outcomes.every((outcome) => outcome?.kind === "delivered")).toBe(true);
    expect(
      records()
        .map((row) => row[FIXED_COLUMNS.id])
        .sort(),
    ).toEqual([...ids].sort());
    expect(new Set(rows()[0]).size).toBe(rows()[0]?.length);
    expect(emulator.calls.write - before.write).toBeLessThanOrEqual(4);
  });

  test("two instances that write the same sheet lose and overwrite nothing", async () => {
    const other = createGoogleSheetsPlugin({ googleBaseUrl: emulator.url });
    emulator.faults.latencyMs = 5;
    const ids = Array.from({ length: 30 }, (_, i) => `r${i}`);
    await Promise.all(
      ids.flatMap((id, i) => [
        deliver(delivery(id, { a: i, [`q${i}`]: i }), settingsOf(), i % 2 === 0 ? plugin : other),
        deliver(edit(id, { a: i, [`q${i}`]: "edited" }), settingsOf(), i % 3 === 0 ? plugin : other),
      ]),
    );
    expect(
      records()
        .map((row) => row[FIXED_COLUMNS.id])
        .sort(),
    ).toEqual([...ids].sort());
    for (const row of records()) expect(row[`q${String(row.a)}`]).toBe("edited");
    expect(new Set(rows()[0]).size).toBe(rows()[0]?.length);
  });

  test("a delivery whose time is over while it waits is taken out and not written", async () => {
    emulator.faults.latencyMs = 50;
    const controller = new AbortController();
    const first = deliver(delivery("r1", { a: 1 }));
    const second = deliver(delivery("r2", { a: 2 }), settingsOf(), plugin, controller.signal);
    controller.abort(new Error("too late"));
    await expect(second).rejects.toThrow("too late");
    expect(await first).toEqual(DELIVERED);
    expect(records()).toHaveLength(1);
  });
});

describe("when Google", () => {
  test("does the work but its answer is lost, the retry finds the row", async () => {
    emulator.faults.next(1, {
      loseAnswer: true,
      match: (request) => request.method === "POST" && request.path !== "/token",
    });
    expect(await deliver(delivery("r1", { a: 1 }))).toMatchObject({
      kind: "retry",
      reason: expect.stringContaining("did not answer"),
    });
    expect(records()).toHaveLength(1);
    expect(await deliver(delivery("r1", { a: 1 }))).toEqual(DELIVERED);
    expect(records()).toHaveLength(1);
  });

  test.each([500, 503])("answers %i, nothing is written and it is retried", async (status) => {
    emulator.faults.next(1, { status, match: (request) => request.method === "POST" && request.path !== "/token" });
    expect(await deliver(delivery("r1", { a: 1 }))).toMatchObject({
      kind: "retry",
      reason: expect.stringContaining(String(status)),
    });
    expect(rows()).toEqual([]);
    expect(await deliver(delivery("r1", { a: 1 }))).toEqual(DELIVERED);
    expect(records()).toHaveLength(1);
  });

  test("is over quota, the delivery waits for the next minute, or as long as Google says", async () => {
    emulator.quota.write.limit = 0;
    expect(await deliver(delivery("r1", { a: 1 }))).toMatchObject({ kind: "retry", afterMs: 60_000 });
    emulator.quota.write.limit = Number.POSITIVE_INFINITY;
    emulator.faults.next(1, { status: 429, retryAfterS: 7 });
    expect(await deliver(delivery("r1", { a: 1 }))).toMatchObject({ kind: "retry", afterMs: 7_000 });
    const before = emulator.calls.read;
    expect(await deliver(delivery("r1", { a: 1 }))).toEqual(DELIVERED);
    expect(emulator.calls.read - before).toBe(1);
    expect(records()).toHaveLength(1);
  });

  test("cannot be reached, it is retried", async () => {
    const gone = await startGoogleSheetsEmulator();
    await gone.stop();
    const outcome = await deliver(
      delivery("r1", {}),
      settingsOf(),
      createGoogleSheetsPlugin({ googleBaseUrl: gone.url }),
    );
    expect(outcome).toMatchObject({ kind: "retry", reason: expect.stringContaining("did not answer") });
  });

  test("finds the spreadsheet full, the delivery is rejected with what to do; with room again it is written once", async () => {
    document.cellsMax = 26_000;
    const outcome = await deliver(
      delivery("r1", Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`q${i}`, i]))),
    );
    expect(outcome).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining("the spreadsheet is full (Google allows 26000 cells"),
    });
    expect(rows()).toEqual([]);
    document.cellsMax = 10_000_000;
    expect(await deliver(delivery("r1", { q0: 1 }))).toEqual(DELIVERED);
  });

  test("finds the spreadsheet not shared, the reason says with whom to share it", async () => {
    document.sharedWith.clear();
    expect(await deliver(delivery("r1", {}))).toEqual({
      kind: "rejected",
      reason: `share the spreadsheet with ${emulator.serviceAccount.client_email} as Editor. Google: The caller does not have permission`,
    });
  });

  test("calls one response of a batch wrong, the others are written", async () => {
    emulator.faults.next(2, { status: 400, match: (request) => JSON.stringify(request.body ?? {}).includes("poison") });
    emulator.faults.latencyMs = 10;
    const outcomes = await Promise.all(["first", "r1", "poison", "r2"].map((id) => deliver(delivery(id, { a: id }))));
    expect(outcomes.map((outcome) => outcome?.kind)).toEqual(["delivered", "delivered", "failed", "delivered"]);
    expect(records().map((row) => row[FIXED_COLUMNS.id])).toEqual(["first", "r1", "r2"]);
  });
});

describe("a team's settings", () => {
  const problems = (extra: object = {}) => plugin.validateSettings?.(settingsOf(extra), {} as never);

  test("that are right have no problems, and nothing in the document changes", async () => {
    expect(await problems()).toEqual([]);
    expect([rows(), document.title]).toEqual([[], "Survey"]);
  });

  test("say with whom to share, for a document that is not shared or only for reading", async () => {
    const share = [
      {
        path: "/spreadsheetId",
        message: expect.stringContaining(
          `share the spreadsheet with ${emulator.serviceAccount.client_email} as Editor`,
        ),
      },
    ];
    document.sharedWith.clear();
    expect(await problems()).toEqual(share);
    document.sharedWith.set(emulator.serviceAccount.client_email, "reader");
    expect(await problems()).toEqual(share);
  });

  test.each([
    ["an unknown document", () => ({ spreadsheetId: "x".repeat(44) }), "/spreadsheetId", "between /d/ and /edit"],
    [
      "a key that is no JSON",
      () => ({ serviceAccount: "-----BEGIN PRIVATE KEY-----" }),
      "/serviceAccount",
      "is not JSON",
    ],
    [
      "a key file of another kind",
      () => ({ serviceAccount: '{"type":"authorized_user"}' }),
      "/serviceAccount",
      "has no private_key",
    ],
    [
      "a broken key",
      () => ({ serviceAccount: JSON.stringify({ ...emulator.serviceAccount, private_key: "broken" }) }),
      "/serviceAccount",
      "not a PEM key",
    ],
    [
      "an account that Google does not know",
      () => ({ serviceAccount: JSON.stringify({ ...emulator.serviceAccount, client_email: "gone@example.com" }) }),
      "/serviceAccount",
      "invalid_grant: Invalid grant: account not found",
    ],
    [
      "two columns of one title",
      () => ({ columns: [{ answer: "a" }, { answer: "b", title: "a" }] }),
      "/columns/1",
      'title "a"',
    ],
  ])("name the problem and its place for %s", async (_title, extra, path, message) => {
    expect(await problems(extra())).toEqual([{ path, message: expect.stringContaining(message) }]);
  });

  test("are checked again later when Google does not answer", async () => {
    emulator.faults.next(1, { status: 503 });
    await expect(problems()).rejects.toThrow("503");
  });

  test("keep the key a secret", () => {
    expect(settingsSchema.shape.serviceAccount.meta()).toMatchObject({ writeOnly: true });
  });
});
