import { readFileSync } from "node:fs";
import { mean } from "simple-statistics";
import type { Span } from "./append-times.ts";

const SAMPLE_MS = 100;
/** What Linux counts processes' times in; fixed for user space. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4_096;

interface Sample {
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** CPU time and memory of processes while a run goes on, as the kernel counts them (/proc: Linux only). */
export class ProcessUsage {
  readonly #samples = new Map<number, Sample[]>();
  readonly #timer: NodeJS.Timeout;
  #rssBytesMax = 0;

  constructor(pids: readonly number[]) {
    for (const pid of pids) this.#samples.set(pid, []);
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  stop(): void {
    this.#sample();
    clearInterval(this.#timer);
  }

  /** The most memory all of them held at once, bytes. */
  get rssBytesMax(): number {
    return this.#rssBytesMax;
  }

  /** CPU seconds that all of them used in a span of time, between two samples taken as even. */
  cpuSeconds({ fromMs, toMs }: Span): number {
    let sum = 0;
    for (const samples of this.#samples.values()) sum += usedAt(samples, toMs) - usedAt(samples, fromMs);
    return sum;
  }

  /** Memory that all of them held on average in a span of time, bytes. @throws without a sample in it. */
  rssBytesMean({ fromMs, toMs }: Span): number {
    let sum = 0;
    for (const samples of this.#samples.values())
      sum += mean(samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ rssBytes }) => rssBytes));
    return sum;
  }

  #sample(): void {
    let rssBytes = 0;
    for (const [pid, samples] of this.#samples) {
      const now = readUsage(pid);
      if (now === undefined) continue;
      samples.push({ atMs: Date.now(), ...now });
      rssBytes += now.rssBytes;
    }
    this.#rssBytesMax = Math.max(this.#rssBytesMax, rssBytes);
  }
}

/** CPU seconds used until a moment, from samples in order. */
export function usedAt(samples: readonly Omit<Sample, "rssBytes">[], atMs: number): number {
  const after = samples.findIndex((sample) => sample.atMs >= atMs);
  const next = samples[after];
  if (next === undefined) return samples.at(-1)?.cpuSeconds ?? 0;
  const before = samples[after - 1];
  if (before === undefined) return next.cpuSeconds;
  const share = (atMs - before.atMs) / (next.atMs - before.atMs);
  return before.cpuSeconds + share * (next.cpuSeconds - before.cpuSeconds);
}

/** Undefined when the process is gone. */
function readUsage(pid: number): { readonly cpuSeconds: number; readonly rssBytes: number } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The command's name, in parentheses, may hold spaces; utime, stime and rss are fields 14, 15 and 24.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssBytes: Number(fields[21]) * PAGE_BYTES,
  };
}
