import type { Command } from "commander";
import { Addresses, type GlobalFlags } from "./addresses.ts";
import { ManagerClient } from "./manager-client.ts";
import { Output } from "./output.ts";

/** What a command works with; made for each run of one. */
export interface CommandContext {
  readonly addresses: Addresses;
  readonly output: Output;
  readonly manager: ManagerClient;
}

/** @param command the one that runs: its own flags and those of the whole program. */
export function contextOf(command: Command): CommandContext {
  const flags = command.optsWithGlobals<GlobalFlags>();
  const addresses = new Addresses(flags, process.env, process.cwd());
  return {
    addresses,
    output: new Output(flags.json ?? false),
    get manager() {
      return new ManagerClient(addresses.manager);
    },
  };
}
