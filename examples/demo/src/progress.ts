import { Listr } from "listr2";

/** Says what a step is doing: at most one line, replaced by the next. */
export type Report = (doing: string) => void;

/** Elsewhere than on a terminal, progress is a line every so often, milliseconds. */
const LINE_INTERVAL_MS = 5_000;

/** Runs a step and shows it with its progress: moving on a terminal, line by line elsewhere. */
export async function shown<T>(title: string, step: (report: Report) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  await new Listr(
    [
      {
        title,
        task: async (_, task) => {
          let told = performance.now();
          let last = "";
          const report: Report = (doing) => {
            last = doing;
            if (process.stdout.isTTY) {
              task.title = `${title}: ${doing}`;
            } else if (performance.now() - told > LINE_INTERVAL_MS) {
              told = performance.now();
              task.output = doing;
            }
          };
          result = { value: await step(report) };
          if (last !== "") task.title = `${title}: ${last}`;
        },
      },
    ],
    {
      rendererOptions: { collapseErrors: true, timer: { condition: false, field: "" } },
      fallbackRenderer: "simple",
      renderer: "default",
    },
  ).run();
  if (result === undefined) throw new Error(`${title} gave no result`);
  return result.value;
}
