import { run } from "./program.ts";

const exitCode = await run(process.argv.slice(2));
// What a broker or the manager did not answer may still hold a connection open; the command is done.
process.stdout.write("", () => process.exit(exitCode));
