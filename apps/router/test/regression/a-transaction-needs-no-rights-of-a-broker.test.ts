import { describe, expect, test } from "@jest/globals";
import { type API, kGetApi } from "@platformatic/kafka";
import { ClientProducer } from "../../src/adapters/client-producer.ts";

type AnyApi = API<unknown[], unknown>;

/** test/interop/secured-kafka.test.ts sees the same on a broker with ACLs, where a JDK is. */
describe("the request that adds partitions to a transaction", () => {
  const producer = new ClientProducer({ clientId: "router", bootstrapBrokers: ["127.0.0.1:1"], retries: 0 });
  const apiOf = (name: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<AnyApi | undefined>();
    producer[kGetApi]<unknown[], unknown>(name, (error, api) => (error ? reject(error) : resolve(api)));
    return promise;
  };

  test("is of the version for clients: brokers refuse theirs to all who may not act for the cluster", async () => {
    const api = await apiOf("AddPartitionsToTxn");
    expect([api?.key, api?.version]).toEqual([24, 3]);
  });

  test("is the only one chosen so: for others the broker is asked", async () => {
    producer.on("error", () => {});
    await expect(apiOf("EndTxn")).rejects.toThrow(/127\.0\.0\.1:1|Cannot connect/);
    await producer.close();
  });
});
