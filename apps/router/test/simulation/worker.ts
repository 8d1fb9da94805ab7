import { replaceSources } from "./options.ts";
import type { Seeds } from "./run-seeds.ts";

/** A process that runs the schedules of the seeds it is sent, with the flags of the one that started it. */
replaceSources();
const { runSeeds } = await import("./run-seeds.ts");
process.on("message", async (seeds: Seeds) => {
  process.send?.(await runSeeds(seeds));
});
