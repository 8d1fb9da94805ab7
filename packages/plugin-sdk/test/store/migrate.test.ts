import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase } from "@plugboard/stack";
import { openDatabase, type PluginDatabase, schemaOf } from "../../src/store/connect-database.ts";
import { migrate } from "../../src/store/migrate.ts";

let database: PluginDatabase;
let drop: () => Promise<void>;
beforeAll(async () => {
  const created = await createTestDatabase();
  drop = created.drop;
  database = openDatabase(created.url, "my-plugin", createLogger("test", "silent"));
  await database.connect();
});
afterAll(async () => {
  await database.close();
  await drop();
});

describe("migrate", () => {
  test("applies each migration once and in order, also when several instances start together", async () => {
    const migrations = ["CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)", "UPDATE notes SET id = id + 1"];
    await Promise.all([1, 2, 3].map(() => migrate(database.sdk, database.schema, migrations)));
    await migrate(database.sdk, database.schema, [...migrations, "ALTER TABLE notes ADD COLUMN text text"]);
    // An older version of the plugin starts beside the newer one.
    await migrate(database.sdk, database.schema, migrations);
    expect((await database.handlers.query("SELECT * FROM notes")).rows).toEqual([{ id: 2, text: null }]);
    const { rows } = await database.sdk.query(
      "SELECT table_schema FROM information_schema.tables WHERE table_name = 'notes'",
    );
    expect(rows).toEqual([{ table_schema: "plugin_my_plugin" }]);
  });

  test("refuses one that was edited after it had been applied", async () => {
    await expect(migrate(database.sdk, database.schema, ["CREATE TABLE other (id int)"])).rejects.toThrow(
      "migration 1 of the plugin was edited",
    );
  });

  test("leaves nothing behind of one that fails", async () => {
    const schema = database.schema;
    const { rows: before } = await database.sdk.query("SELECT * FROM sdk_migrations");
    const known = ["CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)", "UPDATE notes SET id = id + 1"];
    const broken = [...known, "ALTER TABLE notes ADD COLUMN text text", "CREATE TABLE half (id int); SELECT nonsense"];
    await expect(migrate(database.sdk, schema, broken)).rejects.toThrow("migration 4 of the plugin failed");
    expect((await database.sdk.query("SELECT to_regclass('half') AS half")).rows).toEqual([{ half: null }]);
    expect((await database.sdk.query("SELECT * FROM sdk_migrations")).rows).toEqual(before);
  });
});

describe("schemaOf", () => {
  test("fits Postgres' identifiers and stays distinct for ids that differ only at the end", () => {
    expect(schemaOf("google-sheets")).toBe("plugin_google_sheets");
    const long = "a".repeat(63);
    expect(schemaOf(`${long}b`)).toHaveLength(63);
    expect(schemaOf(`${long}b`)).not.toBe(schemaOf(`${long}c`));
  });
});
