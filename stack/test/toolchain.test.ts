import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { kafkaArtifacts } from "../src/maven-artifacts.ts";
import { installCommand } from "../src/missing-tool.ts";
import { javaMajor, requireJava, requireMaven } from "../src/toolchain.ts";

let bin: string;

beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), "toolchain-"));
});

afterEach(() => rmSync(bin, { recursive: true }));

function program(name: string, says: string): string {
  const file = join(bin, name);
  writeFileSync(file, `#!/bin/sh\necho '${says}' >&2\n`);
  chmodSync(file, 0o755);
  return file;
}

describe("Java", () => {
  test("that is missing is named in one line, with the command that installs it", async () => {
    await expect(requireJava({ PATH: bin })).rejects.toThrow(
      /^Java 17 or newer is missing \(it runs Kafka\); install it with: sudo apt-get install -y openjdk-17-jre-headless$/,
    );
  });

  test("that is too old is named with its version and place", async () => {
    const java = program("java", 'openjdk version "11.0.22" 2024-01-16');
    await expect(requireJava({ PATH: bin })).rejects.toThrow(`Java 11 at ${java} is too old: Kafka needs 17 or newer`);
  });

  test("that does not run is named", async () => {
    program("java", "The operation could not be completed");
    await expect(requireJava({ PATH: bin })).rejects.toThrow(/does not run/);
  });

  test("of JAVA_HOME is preferred to the one in PATH", async () => {
    program("java", 'java version "1.8.0_402"');
    mkdirSync(join(bin, "home", "bin"), { recursive: true });
    const own = program(join("home", "bin", "java"), 'openjdk version "21" 2023-09-19');
    expect(await requireJava({ PATH: bin, JAVA_HOME: join(bin, "home") })).toBe(own);
  });

  test.each([
    ['openjdk version "17.0.15" 2025-04-15', 17],
    ['java version "1.8.0_402"', 8],
    ['openjdk version "25" 2025-09-16', 25],
    ["no version here", undefined],
  ])("%s has the major version %s", (said, major) => {
    expect(javaMajor(said)).toBe(major);
  });
});

describe("Maven", () => {
  test("that is missing is named in one line, with the command that installs it", async () => {
    await expect(requireMaven({ PATH: bin })).rejects.toThrow(
      /^Maven 3 or newer is missing \(it fetches Kafka's jars\); install it with: sudo apt-get install -y maven$/,
    );
  });

  test("that is too old is named", async () => {
    program("mvn", "Apache Maven 2.2.1");
    await expect(requireMaven({ PATH: bin })).rejects.toThrow(/Maven 2 at .* is too old/);
  });

  test("is asked for only when the jars are not there yet, and nothing half-made is left", async () => {
    const cache = join(bin, "cache");
    await expect(kafkaArtifacts({ PATH: bin, PLUGBOARD_CACHE_DIR: cache }, () => {})).rejects.toThrow(
      /Maven 3 or newer/,
    );
    const { libraries } = await kafkaArtifacts(process.env, () => {});
    expect(await kafkaArtifacts({ ...process.env, PATH: bin }, () => {})).toMatchObject({ libraries });
  });
});

test("the install command is that of the package manager at hand", () => {
  const packages = { apt: "a", dnf: "d", brew: "b" };
  expect(installCommand(packages, bin)).toBe("sudo apt-get install -y a");
  program("dnf", "");
  expect(installCommand(packages, bin)).toBe("sudo dnf install -y d");
  program("brew", "");
  expect(installCommand(packages, bin)).toBe("brew install b");
});
