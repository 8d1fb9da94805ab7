import { Listr } from "listr2";

/** Says what a step is doing: at most one line, replaced by the next. */
export type Report = (doing: string) => void;

/** Elsewhere than on a terminal, progress is a line every so often, milliseconds. */
const LINE_INTERVAL_MS = 5_000;

/** Runs a step and shows it with its progress: moving on a terminal, line by line elsewhere. */
export async function shown<T>(title: string, step: (report: Report) => Promise<T>): Promise<T> {
  const result: T[] = [];
  const task = {
    title,
    task: async (_: unknown, wrapper: { title: string; output: string }) => {
      let toldAtMs = performance.now();
      const report: Report = (doing) => {
        if (process.stdout.isTTY) wrapper.title = `${title}: ${doing}`;
        else if (performance.now() - toldAtMs > LINE_INTERVAL_MS) {
          toldAtMs = performance.now();
          wrapper.output = doing;
        }
      };
      result.push(await step(report));
      wrapper.title = title;
    },
  };
  await new Listr([task], {
    rendererOptions: {
      collapseErrors: true,
      timer: { condition: true, field: (ms: number) => `${(ms / 1_000).toFixed(0)} s` },
    },
    fallbackRenderer: "simple",
    renderer: "default",
  }).run();
  return result[0] as T;
}
