import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { CommandFailed, EXIT } from "./exit-code.ts";

/** Flags that every command takes. */
export interface GlobalFlags {
  readonly manager?: string;
  readonly token?: string;
  readonly brokers?: string;
  readonly json?: boolean;
}

/** What `npm start` leaves in `.plugboard/dev.json`. */
const developmentSchema = z.object({
  manager: z.object({ url: z.string() }),
  kafka: z.object({ brokers: z.string() }),
  tokens: z.object({ admin: z.string(), teams: z.record(z.string(), z.string()).default({}) }),
});
type Development = z.infer<typeof developmentSchema>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where Plugboard is and with which credentials: flags, then the environment, then what `npm start` wrote. */
export class Addresses {
  readonly #flags: GlobalFlags;
  readonly #environment: Environment;
  readonly #directory: string;
  #development: Development | null | undefined;

  /** @param directory where the search for `.plugboard/dev.json` begins; it goes up from there. */
  constructor(flags: GlobalFlags, environment: Environment, directory: string) {
    this.#flags = flags;
    this.#environment = environment;
    this.#directory = directory;
  }

  /** @throws CommandFailed (usage) when nobody says where the manager is. */
  get manager(): string {
    const url = this.#flags.manager ?? this.#env("MANAGER_URL") ?? this.#dev?.manager.url;
    if (url === undefined) throw unknown("where the manager is", "--manager <url> or MANAGER_URL");
    if (!URL.canParse(url) || !/^https?:/.test(url))
      throw new CommandFailed(EXIT.usage, `"${url}" is no address of a manager: http://… or https://… is needed`);
    return url.replace(/\/+$/, "");
  }

  /** A token for what only an admin may do. */
  get adminToken(): string {
    const found =
      this.#flags.token ??
      this.#env("PLUGBOARD_ADMIN_TOKEN") ??
      this.#env("PLUGBOARD_TOKEN") ??
      this.#dev?.tokens.admin;
    if (found === undefined) throw unknown("the admin's token", "PLUGBOARD_ADMIN_TOKEN (or --token)");
    return found;
  }

  /** A token for what a team may do: its own, or the admin's. */
  teamToken(team: string): string {
    const found =
      this.#flags.token ??
      this.#env("PLUGBOARD_TOKEN") ??
      this.#env("PLUGBOARD_ADMIN_TOKEN") ??
      this.#dev?.tokens.teams[team] ??
      this.#dev?.tokens.admin;
    if (found === undefined) throw unknown("a token", "PLUGBOARD_TOKEN (or --token)");
    return found;
  }

  /** host:port,host:port; undefined when nobody says. */
  get brokers(): string | undefined {
    return this.#flags.brokers ?? this.#env("KAFKA_BROKERS") ?? this.#dev?.kafka.brokers;
  }

  /** The settings of the Kafka client and the topics' names, as all processes of Plugboard read them. */
  get environment(): Environment {
    return { ...this.#environment, KAFKA_BROKERS: this.brokers };
  }

  #env(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }

  get #dev(): Development | null {
    this.#development ??= findDevelopment(this.#directory);
    return this.#development;
  }
}

function unknown(what: string, how: string): CommandFailed {
  return new CommandFailed(
    EXIT.usage,
    `nobody says ${what}: give ${how}, or run this below a directory with \`npm start\` up`,
  );
}

function findDevelopment(directory: string): Development | null {
  for (let at = directory; ; at = dirname(at)) {
    const file = join(at, ".plugboard", "dev.json");
    const text = readText(file);
    if (text !== null) return parse(file, text);
    if (dirname(at) === at) return null;
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function parse(file: string, text: string): Development {
  try {
    return developmentSchema.parse(JSON.parse(text));
  } catch {
    throw new CommandFailed(
      EXIT.usage,
      `${file} is not what \`npm start\` writes: remove it or run \`npm start\` again`,
    );
  }
}
