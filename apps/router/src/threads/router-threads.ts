import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { Failure } from "@plugboard/contract";
import { breakable, type Component, type Logger, withDeadline } from "@plugboard/runtime";
import type { Answers, FromThread, Question, ThreadStart, ToThread } from "./messages.ts";

/** How long a thread may take to answer, milliseconds; one that routes at its limit answers between two batches. */
const ANSWER_MS_MAX = 2_000;
/** As this file: source when tests run, built when shipped. */
const ENTRY = join(import.meta.dirname, `router-thread${extname(import.meta.filename)}`);

interface Thread {
  readonly worker: Worker;
  readonly started: Promise<void>;
  readonly exited: Promise<void>;
  readonly asked: Map<number, PromiseWithResolvers<Answers[Question]>>;
}

/**
 * Threads that route, each with all of a router but its surface, and the process that starts, asks and ends them. Threads share nothing:
 * to the group each is a member like another router. One that cannot go on ends the process, for whoever runs it starts it again.
 */
export class RouterThreads implements Component {
  readonly name = "threads";
  readonly broken: Promise<never>;
  readonly #count: number;
  readonly #logger: Logger;
  readonly #break: (error: Error) => void;
  #threads: Thread[] = [];
  #stopping = false;
  #asked = 0;

  constructor(count: number, logger: Logger) {
    this.#count = count;
    this.#logger = logger;
    const { broken, fail } = breakable();
    this.broken = broken;
    this.#break = fail;
  }

  async start(): Promise<void> {
    this.#threads = Array.from({ length: this.#count }, (_, thread) => this.#startOne(thread));
    await Promise.all(this.#threads.map(({ started }) => started));
  }

  /** Every thread drains by itself; the process waits for all. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { worker } of this.#threads) worker.postMessage({ kind: "stop" } satisfies ToThread);
    await Promise.all(this.#threads.map(({ exited }) => exited));
  }

  /** @returns every thread's answer, in their order. @throws when one gives none in time, or none runs yet. */
  async ask<Q extends Question>(question: Q): Promise<Answers[Q][]> {
    if (this.#threads.length === 0) throw new Failure("unavailable", "no thread runs yet");
    return await Promise.all(this.#threads.map((thread, index) => this.#askOne(thread, index, question)));
  }

  #startOne(index: number): Thread {
    const worker = new Worker(ENTRY, { workerData: { thread: index } satisfies ThreadStart, name: `router-${index}` });
    const started = Promise.withResolvers<void>();
    const exited = Promise.withResolvers<void>();
    const asked: Thread["asked"] = new Map();
    started.promise.catch(() => {});
    const ended = (error: Error) => {
      started.reject(error);
      for (const { reject } of asked.values()) reject(error);
      asked.clear();
      if (!this.#stopping) this.#break(error);
    };
    worker.on("message", (message: FromThread) => {
      if (message.kind === "started") started.resolve();
      else if (message.kind === "failed") ended(new Error(`thread ${index}: ${message.reason}`));
      else if (message.kind === "answer") asked.get(message.id)?.resolve(message.answer);
      else asked.get(message.id)?.reject(new Error(`thread ${index}: ${message.reason}`));
    });
    worker.on("error", (error) => {
      this.#logger.error({ thread: index, error }, "a thread failed");
      ended(error instanceof Error ? error : new Error(String(error)));
    });
    worker.on("exit", (code) => {
      ended(new Error(`thread ${index} ended with ${code}`));
      exited.resolve();
    });
    return { worker, started: started.promise, exited: exited.promise, asked };
  }

  async #askOne<Q extends Question>({ worker, asked }: Thread, index: number, question: Q): Promise<Answers[Q]> {
    const id = this.#asked++;
    const answer = Promise.withResolvers<Answers[Question]>();
    answer.promise.catch(() => {});
    asked.set(id, answer);
    try {
      worker.postMessage({ kind: "ask", id, question } satisfies ToThread);
      return (await withDeadline(answer.promise, ANSWER_MS_MAX, `thread ${index} did not answer`)) as Answers[Q];
    } catch (error) {
      throw new Failure("unavailable", (error as Error).message, { cause: error });
    } finally {
      asked.delete(id);
    }
  }
}
