import { Listr } from "listr2";

/** Says what a step is doing: at most one line, replaced by the next. */
export type Report = (doing: string) => void;

/** Runs a step and shows it with its progress: moving on a terminal, line by line elsewhere. */
export async function shown<T>(title: string, step: (report: Report) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  await new Listr(
    [
      {
        title,
        task: async (_, task) => {
          const report: Report = (doing) => {
            task.title = `${title}: ${doing}`;
          };
          result = { value: await step(report) };
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
