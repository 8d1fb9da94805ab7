import { startProcess } from "@plugboard/stack";
import { Client } from "pg";
import type { Rig } from "../rig.ts";
import { TOGGLED_PLUGIN, TOGGLED_TEAM } from "../teams.ts";
import type { Fault } from "./fault.ts";

const BACKUP = "backup_of_chaos";
const TEAM_LATER = "team-after-the-backup";

/**
 * The database goes back to an older state while Redis has the newer one, and `routes:rebuild` is run, as the runbook says.
 * Managers are stopped for the restore, as they have to be for one.
 */
export const postgresRestored: Fault = {
  name: "postgres-restored",
  what: "Postgres restored from an older backup, routes:rebuild",
  touches: ["postgres", "managers", "redis", "plugin"],
  standsMs: 0,
  inject: async (rig) => {
    await stopUsers(rig);
    await onServer(rig, `CREATE DATABASE ${BACKUP} TEMPLATE postgres`);
    await startUsers(rig);
    // What is done after the backup: Redis knows it, the restored database will not.
    await rig.calls.enable(TEAM_LATER, TOGGLED_PLUGIN, true);
    await stopUsers(rig);
    await onServer(rig, "ALTER DATABASE postgres RENAME TO postgres_lost");
    await onServer(rig, `ALTER DATABASE ${BACKUP} RENAME TO postgres`);
    return async () => {
      const { REDIS_URL = "", DATABASE_URL = "" } = rig.shell;
      const env = { REDIS_URL, DATABASE_URL };
      const rebuild = await startProcess({ name: "routes:rebuild", entry: "apps/manager/src/rebuild-routes.ts", env });
      if ((await rebuild.exited) !== 0) throw new Error(`routes:rebuild failed:\n${rebuild.logs()}`);
      await startUsers(rig);
      // What was lost with the backup is what people have to do again: here, the switch that is turned all the time.
      await rig.calls.enable(TOGGLED_TEAM, TOGGLED_PLUGIN, rig.journal.changes.at(-1)?.enabled ?? false);
      await onServer(rig, "DROP DATABASE postgres_lost");
    };
  },
};

async function stopUsers({ managers, plugins }: Rig): Promise<void> {
  await Promise.all([...managers, ...plugins].map((service) => service.end("SIGTERM")));
}

async function startUsers({ managers, plugins }: Rig): Promise<void> {
  await Promise.all(managers.map((manager) => manager.start()));
  await Promise.all(plugins.map((plugin) => plugin.start()));
}

async function onServer({ postgres }: Rig, sql: string): Promise<void> {
  const url = new URL(postgres.url);
  url.pathname = "/template1";
  const client = new Client({ connectionString: url.href, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
