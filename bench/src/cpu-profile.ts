import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { projectRoot } from "@plugboard/stack";
import { z } from "zod";

const ROWS = 30;

/** What V8's profiler writes; times in microseconds. */
const cpuProfile = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.int() }),
    }),
  ),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
});
export type CpuProfile = z.infer<typeof cpuProfile>;

export interface SelfTime {
  readonly name: string;
  readonly place: string;
  readonly ms: number;
}

/** Functions by the time spent in them and not in what they call, longest first; idle time left out. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, { name: string; place: string; ms: number }>();
  for (const [index, node] of samples.entries()) {
    const frame = frames.get(node);
    if (frame === undefined || frame.functionName === "(idle)") continue;
    const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
    const place = frame.url === "" ? "" : `${frame.url}:${frame.lineNumber + 1}`;
    const key = `${name} ${place}`;
    const time = times.get(key) ?? { name, place, ms: 0 };
    time.ms += (timeDeltas[index] ?? 0) / 1_000;
    times.set(key, time);
  }
  return [...times.values()].sort((one, other) => other.ms - one.ms);
}

/** The longest self times of the profiles in a directory, as lines of text. */
export function printProfile(directory: string): string {
  const files = readdirSync(directory).filter((file) => file.endsWith(".cpuprofile"));
  return files
    .map((file) => {
      const times = selfTimes(cpuProfile.parse(JSON.parse(readFileSync(join(directory, file), "utf8"))));
      const total = times.reduce((sum, { ms }) => sum + ms, 0);
      const lines = times
        .slice(0, ROWS)
        .map(({ name, place, ms }) => `${((ms * 100) / total).toFixed(1).padStart(6)} %  ${name}  ${shortened(place)}`);
      return [`${(total / 1_000).toFixed(1)} s busy; by self time:`, ...lines].join("\n");
    })
    .join("\n\n");
}

function shortened(place: string): string {
  if (!place.startsWith("file:")) return place;
  const at = place.lastIndexOf(":");
  return `${relative(projectRoot(), fileURLToPath(place.slice(0, at)))}${place.slice(at)}`;
}
