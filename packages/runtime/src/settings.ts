import { z } from "zod";

/** What a process is configured by: the environment, given as an argument. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A setting as documented: docs/configuration.md and .env.example are generated from these, so each setting of a
 * schema carries them through {@link setting}.
 */
export interface SettingDoc {
  /** One sentence: what it does, with its unit. */
  readonly help: string;
  /** Its value never appears in a log. */
  readonly secret?: true;
}

const docs = z.registry<SettingDoc>();

/** Attaches the documentation of a setting to its schema. Call it last in the chain. */
export function setting<T extends z.ZodType>(schema: T, help: string, options: { secret?: true } = {}): T {
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
  const known = Object.fromEntries(Object.keys(shape).map((name) => [name, environment[name]]));
  const result = schema.safeParse(known);
  if (result.success) return Object.freeze(result.data);
  throw new SettingsError(
    process,
    result.error.issues.map((issue) => {
      const name = String(issue.path[0] ?? "");
      const help = settingDoc(shape[name] as z.ZodType)?.help;
      const wrong = environment[name] === undefined ? "is required" : issue.message;
      return `${name} ${wrong}${help === undefined ? "" : ` (${help})`}`;
    }),
  );
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
