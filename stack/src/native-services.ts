import type { ServiceName } from "./choose-source.ts";
import { startKafka } from "./kafka-cluster.ts";
import type { Report } from "./maven-artifacts.ts";
import { startPostgres } from "./postgres-server.ts";
import { startRedis } from "./redis-server.ts";
import type { RunningService, StartService } from "./running-service.ts";

/** Where a native stack keeps its data, and on which ports it is found again. */
export interface NativePlace {
  readonly dataDirectory: string;
  readonly ports: Readonly<Record<ServiceName, number>>;
}

/** @param place where the data stays; without it everything is thrown away at the end. */
export function nativeServices(place: NativePlace | undefined): StartService {
  return async (name, report) => {
    const options = {
      report,
      ...(place !== undefined && { dataDirectory: place.dataDirectory, port: place.ports[name] }),
    };
    return await start(name, options);
  };
}

async function start(
  name: ServiceName,
  options: { report: Report; dataDirectory?: string; port?: number },
): Promise<RunningService> {
  switch (name) {
    case "kafka": {
      const kafka = await startKafka(options);
      return { address: kafka.brokers, how: "own process from Kafka's jars", stop: () => kafka.stop() };
    }
    case "redis": {
      const redis = await startRedis(options);
      return { address: redis.url, how: "own redis-server process", stop: () => redis.stop() };
    }
    case "postgres": {
      const postgres = await startPostgres(options);
      return { address: postgres.url, how: "own postgres process", stop: () => postgres.stop() };
    }
  }
}
