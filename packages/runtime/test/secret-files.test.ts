import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { env, loadSettings, SettingsError, setting } from "../src/index.ts";

const directory = mkdtempSync(join(tmpdir(), "secret-files-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SHAPE = {
  PORT: setting(env.port().default(4000), "Port."),
  TOKEN: setting(env.token(), "Opens the door.", { secret: true }),
  KEY: setting(env.text().min(8, "must have 8 characters").optional(), "Signs.", { secret: true }),
  PLACE: setting(env.text().optional(), "Where."),
};

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadSettings("demo", SHAPE, environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("a secret given as a file", () => {
  test.each([
    ["as it is", "hush", "hush"],
    ["without the line end that editors and echo add", "hush\n", "hush"],
    ["without a Windows line end", "hush\r\n", "hush"],
  ])("is read %s", (_how, content, secret) => {
    const settings = loadSettings("demo", SHAPE, { TOKEN_FILE: file("token", content) });
    expect(settings.TOKEN).toBe(secret);
  });

  test("keeps every other line end and blank: they may belong to it", () => {
    const settings = loadSettings("demo", SHAPE, { TOKEN: "x", KEY_FILE: file("key", " two\nlines \n\n") });
    expect(settings.KEY).toBe(" two\nlines \n");
  });

  test("is held to the same rules as one in the environment, which are told without its content", () => {
    expect(problemsOf({ TOKEN: "x", KEY_FILE: file("short", "abc") })).toEqual(["KEY must have 8 characters (Signs.)"]);
  });

  test("is refused beside the variable itself: nobody could say which counts", () => {
    expect(problemsOf({ TOKEN: "x", TOKEN_FILE: file("token", "y") })).toEqual([
      "TOKEN and TOKEN_FILE are both set: give one of them (Opens the door.)",
    ]);
  });

  test("is refused, with the file's name, when the file is missing, empty or a directory; with all other problems", () => {
    const empty = file("empty", "\n");
    const missing = join(directory, "nowhere");
    expect(problemsOf({ TOKEN_FILE: missing, KEY_FILE: empty, PORT: "x" })).toEqual([
      `TOKEN cannot be read: TOKEN_FILE names ${missing}, which is not there (Opens the door.)`,
      `KEY cannot be read: KEY_FILE names an empty file, ${empty} (Signs.)`,
      "PORT must be a port number (Port.)",
    ]);
    expect(problemsOf({ TOKEN_FILE: directory })).toEqual([
      `TOKEN cannot be read: TOKEN_FILE names ${directory}, which is a directory (Opens the door.)`,
    ]);
    expect(problemsOf({ TOKEN_FILE: "" })).toEqual([
      "TOKEN cannot be read: TOKEN_FILE is empty: give the path of a file (Opens the door.)",
    ]);
  });

  test("is only for secrets: another setting's file is not read", () => {
    const settings = loadSettings("demo", SHAPE, { TOKEN: "x", PLACE_FILE: file("place", "here") });
    expect(settings.PLACE).toBeUndefined();
  });
});
