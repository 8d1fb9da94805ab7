import { type API, addPartitionsToTxnV3, type Callback, kGetApi, Producer } from "@platformatic/kafka";

const ADD_PARTITIONS = "AddPartitionsToTxn";

/**
 * The client's producer, but for the request that adds partitions to a transaction. The client takes the highest version
 * that both sides know; those of this request above 3 are what brokers say to each other, and where there are ACLs
 * they are refused to whoever may not act for the cluster.
 */
export class ClientProducer extends Producer {
  override [kGetApi]<Arguments extends unknown[], Answer>(
    name: string,
    callback: Callback<API<Arguments, Answer>>,
  ): void {
    if (name === ADD_PARTITIONS) callback(null, addPartitionsToTxnV3.api as unknown as API<Arguments, Answer>);
    else super[kGetApi](name, callback);
  }
}
