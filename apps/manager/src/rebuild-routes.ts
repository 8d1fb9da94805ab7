import { createLogger, createRegistry, loadSettings, settingsOrExit, systemClock } from "@plugboard/runtime";
import { createDatabase } from "./adapters/prisma-database.ts";
import { PrismaRoutingStore } from "./adapters/prisma-routing-store.ts";
import { createManagerMetrics } from "./adapters/prometheus-metrics.ts";
import { createRedis } from "./adapters/redis-connection.ts";
import { RedisRoutingTable } from "./adapters/redis-routing-table.ts";
import { Reconciler } from "./pipeline/reconciler.ts";
import { storeSettings } from "./settings.ts";

/**
 * `npm run routes:rebuild`: writes the routing table in Redis anew from Postgres, whatever versions Redis has, and leaves.
 * For after a backup was restored; managers and routers may go on meanwhile.
 */
const settings = settingsOrExit(() => loadSettings("routes:rebuild", storeSettings, process.env));
const logger = createLogger("routes:rebuild", settings.LOG_LEVEL);
const database = createDatabase(settings.DATABASE_URL, 2, logger);
const redis = createRedis(settings.REDIS_URL, logger);
const store = new PrismaRoutingStore(database);
const none = async () => ({ rows: 0, oldestAgeSeconds: 0 });
const reconciler = new Reconciler({
  store,
  table: new RedisRoutingTable(redis, settings.PLUGBOARD_NAMESPACE, settings.PLUGBOARD_ALLOW_UNSAFE),
  onRebuilt: () => {},
  clock: systemClock,
  metrics: createManagerMetrics(createRegistry({ defaultMetrics: false }), {
    routing: none,
    initialize: none,
  }),
  logger,
});
try {
  await redis.connect();
  const result = await reconciler.rebuild({ force: true });
  if (result.kind !== "rebuilt") throw new Error("another rebuild is under way: try again when it is done");
} catch (error) {
  logger.fatal({ error }, "the routing table was not rebuilt");
  process.exitCode = 1;
} finally {
  redis.disconnect();
  await database.$disconnect();
}
