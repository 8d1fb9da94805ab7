import { z } from "zod";
import type { Environment } from "./environment.ts";
import { withSecretFiles } from "./secret-files.ts";

/**
 * A setting as documented: docs/configuration.md and .env.example are generated from these, so each setting of a
 * schema carries them through {@link setting}.
 */
export interface SettingDoc {
  /** One sentence: what it does, with its unit. */
  readonly help: string;
  /** Its value never appears in a log; it may also be given as the content of the file that `NAME_FILE` names. */
  readonly secret?: true;
  /** What is wrong with it together with others, read from the environment: one line per problem, naming the variable. */
  readonly problems?: (environment: Environment) => readonly string[];
}

const docs = z.registry<SettingDoc>();

/** Attaches the documentation of a setting to its schema. Call it last in the chain. */
export function setting<T extends z.ZodType>(schema: T, help: string, options: Omit<SettingDoc, "help"> = {}): T {
  docs.add(schema, { help, ...options });
  return schema;
}

/** The documentation given with {@link setting}. */
export function settingDoc(schema: z.ZodType): SettingDoc | undefined {
  return docs.get(schema);
}

const number = (pattern: RegExp, what: string) => z.string().regex(pattern, `must be ${what}`).transform(Number);

/** Schemas for text as it stands in an environment. Empty and non-numeric text is refused, never read as a default. */
export const env = {
  text: () => z.string().min(1, "must not be empty"),
  /** A credential as it stands in a header. */
  token: () => z.string().regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters without blanks"),
  /** A Kafka topic, or how one starts: room is left for what is appended. */
  topic: () => z.string().regex(/^[A-Za-z0-9._-]{1,150}$/, "must be 1 to 150 characters of A-Z a-z 0-9 . _ -"),
  url: (...protocols: readonly string[]) =>
    z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol.slice(0, -1)), {
      error: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}://`).join(" or ")}`,
    }),
  /** A whole number within the limits, both inclusive. */
  integer: (min: number, max: number) =>
    number(/^-?\d{1,15}$/, "a whole number").pipe(
      z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`),
    ),
  port: () => number(/^\d{1,5}$/, "a port number").pipe(z.number().max(65_535, "must be a port number (0 to 65535)")),
  flag: () => z.enum(["true", "false"], { error: 'must be "true" or "false"' }).transform((value) => value === "true"),
  oneOf: <const T extends readonly [string, ...string[]]>(values: T) =>
    z.enum(values, { error: `must be one of ${values.join(", ")}` }),
  /** Comma-separated, at least one. */
  list: () =>
    z
      .string()
      .transform((value) => value.split(",").map((item) => item.trim()))
      .pipe(z.array(z.string().min(1, "must not have empty items")).min(1)),
  /** Kafka's bootstrap addresses: host:port,host:port. */
  brokers: () =>
    env
      .list()
      .pipe(z.array(z.string().regex(/^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/, "must be host:port")).min(1)),
};

/** All problems of a process's environment at once. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  constructor(process: string, problems: readonly string[]) {
    super(
      `${process}: ${problems.length} setting${problems.length === 1 ? "" : "s"} to correct:\n${problems.map((line) => `  ${line}`).join("\n")}`,
    );
    this.name = "SettingsError";
    this.problems = problems;
  }
}

/**
 * Reads a process's settings, every problem at once, and freezes them.
 * @throws SettingsError naming each variable, what is wrong with it and what it is for.
 */
export function loadSettings<S extends z.ZodRawShape>(
  process: string,
  shape: S,
  environment: Environment,
): Readonly<z.infer<z.ZodObject<S>>> {
  const schema = z.object(shape);
  const secrets = Object.keys(shape).filter((name) => settingDoc(shape[name] as z.ZodType)?.secret);
  const { environment: given, problems: unread } = withSecretFiles(secrets, environment);
  const result = schema.safeParse(Object.fromEntries(Object.keys(shape).map((name) => [name, given[name]])));
  const together = Object.values(shape).flatMap((one) => settingDoc(one as z.ZodType)?.problems?.(given) ?? []);
  if (result.success && unread.size === 0 && together.length === 0) return Object.freeze(result.data);
  const explained = (name: string, wrong: string) => {
    const help = settingDoc(shape[name] as z.ZodType)?.help;
    return `${name} ${wrong}${help === undefined ? "" : ` (${help})`}`;
  };
  const issues = (result.error?.issues ?? []).map((issue) => ({ ...issue, name: String(issue.path[0] ?? "") }));
  throw new SettingsError(process, [
    ...[...unread].map(([name, wrong]) => explained(name, wrong)),
    ...issues
      .filter(({ name }) => !unread.has(name))
      .map(({ name, message }) => explained(name, given[name] === undefined ? "is required" : message)),
    ...together,
  ]);
}

/**
 * For a process's main file: what `load` gives; or every problem of the environment on standard error, without a stack
 * that would tell nobody anything, and exit status 1.
 */
export function settingsOrExit<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

/** Settings for a log line: secrets as `…Configured: true|false`. */
export function loggableSettings(
  shape: z.ZodRawShape,
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) =>
      settingDoc(shape[name] as z.ZodType)?.secret ? [`${name}Configured`, value !== undefined] : [name, value],
    ),
  );
}
