import { type CoreCommand, coreCommandSchema } from "@plugboard/contract";
import { storableText } from "./storable-text.ts";

/** What became of a command. */
export type CommandOutcome =
  | { readonly kind: "applied" | "outdated" | "repeated" }
  | {
      readonly kind: "refused";
      readonly reason: "malformed" | "unknown-response";
      readonly problems: readonly string[];
    };

export type ParsedCommand = { readonly kind: "command"; readonly command: CoreCommand } | RefusedCommand;
type RefusedCommand = Extract<CommandOutcome, { kind: "refused" }>;

/** Longest command accepted, in bytes: 100 flags of the contract's limits, with room. */
const COMMAND_BYTES_MAX = 1024 * 1024;

/** Reads a record of `core.commands`. Whatever it holds, the answer is a command or the reason why it is none. */
export function parseCommand(value: Buffer | null): ParsedCommand {
  if (value === null || value.byteLength === 0) return malformed(["the record has no value"]);
  if (value.byteLength > COMMAND_BYTES_MAX) return malformed([`the record has ${value.byteLength} bytes`]);
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString("utf8"), storable);
  } catch (error) {
    return malformed([`the value is not JSON: ${(error as Error).message}`]);
  }
  const result = coreCommandSchema.safeParse(parsed);
  if (result.success) return { kind: "command", command: result.data };
  return malformed(result.error.issues.map(({ path, message }) => `/${path.join("/")}: ${message}`));
}

export function malformed(problems: readonly string[]): RefusedCommand {
  return { kind: "refused", reason: "malformed", problems };
}

function storable(_key: string, value: unknown): unknown {
  return typeof value === "string" ? storableText(value) : value;
}
