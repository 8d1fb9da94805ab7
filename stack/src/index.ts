export { type KafkaCluster, type KafkaOptions, startKafka } from "./kafka-cluster.ts";
export { type PostgresOptions, type PostgresServer, startPostgres } from "./postgres-server.ts";
export { projectRoot } from "./project-paths.ts";
export { type RedisOptions, type RedisServer, startRedis } from "./redis-server.ts";
export { type ProcessOptions, type ServiceProcess, startProcess } from "./start-process.ts";
export { type RunningStack, type StackOptions, startStack } from "./start-stack.ts";
export { type Supervised, type SuperviseOptions, supervise } from "./supervise.ts";
export * from "./test-environment.ts";
export { waitUntil } from "./wait-until.ts";
