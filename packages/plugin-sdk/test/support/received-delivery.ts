import { type Received, receive } from "../../src/delivery/received.ts";

/** A delivery of the plugin "stored", as a consumer hands it on. */
export function received(
  team: string,
  id: string,
  response = `response-of-${id}`,
  headers: [string, string][] = [],
): Received {
  const all = [
    ["ce_id", id],
    ["ce_source", "core"],
    ["ce_type", "onResponse"],
    ["ce_teamid", team],
    ["ce_subject", response],
  ];
  const copy = [...(all as [string, string][]), ...headers].map(([name, value]) => [name, Buffer.from(value)] as const);
  const item = receive(
    { key: Buffer.from("k"), value: Buffer.from('{"a":1}'), headers: copy, readFrom: "t/0/1" },
    "stored",
    "core",
  );
  if (item.kind === "malformed") throw new Error(item.problems.join());
  return item;
}
