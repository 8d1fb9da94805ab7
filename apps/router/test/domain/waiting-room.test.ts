import { expect, test } from "@jest/globals";
import { WaitingRoom } from "../../src/domain/waiting-room.ts";

test("lets in while fewer wait than may, keeps the next ones out until then, and all in once it is closed", async () => {
  const room = new WaitingRoom(10);
  const seen: string[] = [];
  const enter = async (who: string) => {
    await room.room();
    seen.push(who);
  };
  room.set(9);
  await enter("a");
  room.set(10);
  const waiting = [enter("b"), enter("c")];
  room.set(12);
  await Promise.resolve();
  expect(seen).toEqual(["a"]);
  room.set(3);
  await Promise.all(waiting);
  expect(seen).toEqual(["a", "b", "c"]);
  room.set(10);
  const last = enter("d");
  room.close();
  await last;
  room.set(99);
  await enter("e");
  expect(seen.slice(3)).toEqual(["d", "e"]);
});
