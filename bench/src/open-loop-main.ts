import { OpenLoop, openLoopJob } from "./open-loop.ts";

/** A process of its own: what the harness does beside must not be part of a latency. Its answer is its last line. */
const job = openLoopJob.parse(JSON.parse(process.env.BENCH_JOB ?? "{}"));
const answer = await new OpenLoop(job).run();
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exit(0);
