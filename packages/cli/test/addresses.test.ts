import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Addresses } from "../src/addresses.ts";

let root: string;
const below = () => join(root, "a");
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "plugboard-addresses-"));
  mkdirSync(below());
  mkdirSync(join(root, ".plugboard"));
  const development = {
    manager: { url: "http://dev:1/" },
    kafka: { brokers: "dev:2" },
    tokens: { admin: "dev-admin", teams: { red: "dev-red" } },
  };
  writeFileSync(join(root, ".plugboard", "dev.json"), JSON.stringify(development));
});
afterAll(() => rmSync(root, { recursive: true }));

describe("addresses and tokens", () => {
  test("come from flags before the environment before what npm start wrote above", () => {
    const env = { MANAGER_URL: "http://env:1", KAFKA_BROKERS: "env:2", PLUGBOARD_TOKEN: "env-team" };
    const told = (addresses: Addresses) => [addresses.manager, addresses.brokers, addresses.teamToken("red")];
    const flags = { manager: "http://flag:1", brokers: "flag:2", token: "flag" };
    expect(told(new Addresses(flags, env, below()))).toEqual(["http://flag:1", "flag:2", "flag"]);
    expect(told(new Addresses({}, env, below()))).toEqual(["http://env:1", "env:2", "env-team"]);
    expect(told(new Addresses({}, {}, below()))).toEqual(["http://dev:1", "dev:2", "dev-red"]);
    expect(new Addresses({}, {}, below()).teamToken("blue")).toBe("dev-admin");
  });

  test("of an admin are the admin's where there are both", () => {
    const env = { PLUGBOARD_TOKEN: "team", PLUGBOARD_ADMIN_TOKEN: "admin" };
    expect(new Addresses({}, env, "/").adminToken).toBe("admin");
    expect(new Addresses({}, env, "/").teamToken("red")).toBe("team");
  });

  test("that nobody gives, or that are none, are wrong usage", () => {
    expect(() => new Addresses({}, {}, "/").manager).toThrow("nobody says where the manager is");
    expect(() => new Addresses({}, {}, "/").adminToken).toThrow("PLUGBOARD_ADMIN_TOKEN");
    expect(() => new Addresses({ manager: "ftp://x" }, {}, "/").manager).toThrow("no address of a manager");
    writeFileSync(join(below(), "not-a-directory"), "");
    mkdirSync(join(below(), ".plugboard"));
    writeFileSync(join(below(), ".plugboard", "dev.json"), "{");
    expect(() => new Addresses({}, {}, below()).manager).toThrow("is not what `npm start` writes");
    rmSync(join(below(), ".plugboard"), { recursive: true });
  });
});
