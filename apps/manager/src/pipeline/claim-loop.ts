import type { Clock, Logger } from "@plugboard/runtime";
import type { ClaimQueue } from "../domain/work-queues.ts";
import { PeriodicLoop } from "./periodic-loop.ts";

/**
 * Claims due tasks and works on a batch of them at once, batch after batch, until fewer came than were asked for; then waits
 * for its interval. A task whose work throws ends the pass; its claim runs out, and it is claimed again.
 */
export class ClaimLoop<Task> extends PeriodicLoop {
  /**
   * @param options.batch tasks under way at once.
   * @param options.claimMs how long a claim holds, milliseconds: longer than a task and its settlement take.
   * @param options.intervalMs how long it waits when nothing was due, milliseconds.
   */
  constructor(
    name: string,
    queue: ClaimQueue<Task>,
    work: (task: Task, signal: AbortSignal) => Promise<void>,
    options: { batch: number; claimMs: number; intervalMs: number; clock: Clock; logger: Logger },
  ) {
    const { batch, claimMs } = options;
    const pass = async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        const tasks = await queue.claim(batch, claimMs);
        await Promise.all(tasks.map((task) => work(task, signal)));
        if (tasks.length < batch) return;
      }
    };
    super(name, pass, options);
  }
}
