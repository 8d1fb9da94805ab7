import { brokerKilled } from "./broker-killed.ts";
import { brokerSlow } from "./broker-slow.ts";
import { clockSkewed } from "./clock-skewed.ts";
import type { Fault } from "./fault.ts";
import { managersKilled } from "./managers-killed.ts";
import { partitionAdded } from "./partition-added.ts";
import { pluginKilled } from "./plugin-killed.ts";
import { pluginTopicDeleted } from "./plugin-topic-deleted.ts";
import { pluginTopicUnwritable } from "./plugin-topic-unwritable.ts";
import { poisonRecords } from "./poison-records.ts";
import { postgresKilled } from "./postgres-killed.ts";
import { postgresRestored } from "./postgres-restored.ts";
import { redisFlushed } from "./redis-flushed.ts";
import { redisRestartedEmpty } from "./redis-restarted-empty.ts";
import { rollingRestart } from "./rolling-restart.ts";
import { routerFrozen } from "./router-frozen.ts";
import { routerKilled } from "./router-killed.ts";
import { routerStopped } from "./router-stopped.ts";
import { vendorHangs } from "./vendor-hangs.ts";
import { vendorRefuses } from "./vendor-refuses.ts";
import { wrongToken } from "./wrong-token.ts";

/** Every fault there is; docs/RUNBOOK.md has a section for each. */
export const FAULTS: readonly Fault[] = [
  routerKilled,
  routerStopped,
  routerFrozen,
  brokerKilled,
  brokerSlow,
  redisRestartedEmpty,
  redisFlushed,
  postgresKilled,
  postgresRestored,
  managersKilled,
  pluginTopicDeleted,
  pluginTopicUnwritable,
  rollingRestart,
  partitionAdded,
  poisonRecords,
  pluginKilled,
  vendorHangs,
  vendorRefuses,
  clockSkewed,
  wrongToken,
];
