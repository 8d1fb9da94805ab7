import { describe, expect, test } from "@jest/globals";
import { env, loadSettings, loggableSettings, SettingsError, setting } from "../src/index.ts";

const SHAPE = {
  PORT: setting(env.port().default(4000), "Port."),
  BROKERS: setting(env.brokers(), "Kafka's addresses."),
  URL: setting(env.url("http", "https"), "Where it is."),
  COUNT: setting(env.integer(1, 10).default(3), "How many."),
  MODE: setting(env.oneOf(["a", "b"]).default("a"), "Which."),
  ON: setting(env.flag().default(false), "Whether."),
  TOKEN: setting(env.text().optional(), "A token.", { secret: true }),
};
const GOOD = { BROKERS: "a:1, b:2", URL: "https://x.example/" };

describe("loadSettings", () => {
  test("reads what is given, fills in defaults, and freezes", () => {
    const settings = loadSettings("demo", SHAPE, { ...GOOD, COUNT: "10", ON: "true", UNRELATED: "x" });
    expect(settings).toEqual({ PORT: 4000, BROKERS: ["a:1", "b:2"], URL: GOOD.URL, COUNT: 10, MODE: "a", ON: true });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test("tells every problem at once: the variable, what is wrong, what it is for", () => {
    let thrown: unknown;
    try {
      loadSettings("demo", SHAPE, { PORT: "99999", URL: "ftp://x", COUNT: "ten", MODE: "c", ON: "yes" });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SettingsError);
    expect((thrown as SettingsError).problems).toEqual([
      "PORT must be a port number (0 to 65535) (Port.)",
      "BROKERS is required (Kafka's addresses.)",
      "URL must be a URL that starts with http:// or https:// (Where it is.)",
      "COUNT must be a whole number (How many.)",
      "MODE must be one of a, b (Which.)",
      'ON must be "true" or "false" (Whether.)',
    ]);
  });

  test.each([["PORT"], ["COUNT"], ["MODE"], ["ON"], ["TOKEN"]])(
    "an empty %s is refused, not read as the default",
    (name) => {
      expect(() => loadSettings("demo", SHAPE, { ...GOOD, [name]: "" })).toThrow(SettingsError);
    },
  );

  test.each([["1e3"], ["0x10"], ["3.5"], [" 3"], ["NaN"], ["11"], ["0"]])("COUNT=%s is refused", (value) => {
    expect(() => loadSettings("demo", SHAPE, { ...GOOD, COUNT: value })).toThrow(/COUNT/);
  });
});

test.each<[string, string]>([
  ["TOKEN", "two words"],
  ["TOKEN", "line\nbreak"],
  ["TOPIC", "a/b"],
  ["TOPIC", "x".repeat(151)],
])("%s=%j, which could not be used later, is refused at once", (name, value) => {
  const shape = { TOKEN: env.token().optional(), TOPIC: env.topic().optional() };
  expect(() => loadSettings("demo", shape, { [name]: value })).toThrow(SettingsError);
});

test("a secret is logged as whether it is configured, never as itself", () => {
  const settings = loadSettings("demo", SHAPE, { ...GOOD, TOKEN: "hush" });
  const logged = loggableSettings(SHAPE, settings);
  expect(logged.TOKENConfigured).toBe(true);
  expect(JSON.stringify(logged)).not.toContain("hush");
});
