import { join } from "node:path";
import { freePorts } from "@plugboard/stack";
import { type Child, nodeCommand, startChild, untilReady } from "../child.ts";
import type { Treatment } from "./sink-server.ts";

export interface SinkOptions {
  /** How long an answer takes, milliseconds. */
  readonly answerMs: number;
  /** Events that it counts: those of serials below. */
  readonly serials: number;
  readonly directory: string;
}

/** The sink as the harness sees it (sink-server.ts). */
export class Sink {
  readonly url: string;
  readonly #child: Child;

  private constructor(url: string, child: Child) {
    this.url = url;
    this.#child = child;
  }

  static async start({ answerMs, serials, directory }: SinkOptions): Promise<Sink> {
    const [port] = await freePorts(1);
    const child = await startChild({
      name: "sink",
      command: nodeCommand(),
      args: [join(import.meta.dirname, "sink-server.ts")],
      env: { PORT: String(port), BENCH_SERIALS: String(serials), BENCH_SINK_MS: String(answerMs) },
      directory,
    });
    const url = `http://127.0.0.1:${port}`;
    await untilReady(child, url);
    return new Sink(url, child);
  }

  async treat(team: string, treatment: Treatment): Promise<void> {
    await this.#ask("PUT", `/teams/${team}/${treatment}`);
  }

  /** Events counted so far, repeated ones too. */
  async taken(): Promise<number> {
    return Number(new TextDecoder().decode(await this.#ask("GET", "/taken")));
  }

  /** How often each event was taken, by serial. */
  async counts(): Promise<Uint8Array> {
    return new Uint8Array(await this.#ask("GET", "/counts"));
  }

  /** When each event came in first of those taken, by serial: milliseconds since the epoch, NaN for never. */
  async arrivals(): Promise<Float64Array> {
    return new Float64Array(await this.#ask("GET", "/arrivals"));
  }

  /** Forgets what it has counted. */
  async reset(): Promise<void> {
    await this.#ask("DELETE", "/effects");
  }

  async end(): Promise<void> {
    await this.#child.end();
  }

  async #ask(method: string, path: string): Promise<ArrayBuffer> {
    this.#child.assertRunning();
    const response = await fetch(`${this.url}${path}`, { method, signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`the sink answered ${response.status} to ${method} ${path}`);
    return await response.arrayBuffer();
  }
}
