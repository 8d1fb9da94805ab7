import { parser } from "@prometheus-io/lezer-promql";

/** What an expression selects: one metric with the labels its matchers name. */
interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** Names in a PromQL expression. */
export interface PromqlNames {
  /** Text of each place that is no PromQL; empty when all of it is. */
  readonly errors: readonly string[];
  readonly selectors: readonly Selector[];
  /** Labels that results are grouped or joined by. */
  readonly grouping: readonly string[];
}

/** Reads an expression with Prometheus' own grammar. */
export function promqlNames(expression: string): PromqlNames {
  const errors: string[] = [];
  const grouping: string[] = [];
  const selectors: { metric: string; labels: string[] }[] = [];
  parser.parse(expression).iterate({
    enter: ({ type, name, from, to, node }) => {
      const text = expression.slice(from, to);
      if (type.isError) errors.push(expression.slice(Math.max(0, from - 20), to + 20));
      else if (name === "VectorSelector") selectors.push({ metric: "", labels: [] });
      else if (name === "Identifier" && node.parent?.name === "VectorSelector") last(selectors).metric = text;
      else if (name === "LabelName")
        (node.parent?.name === "GroupingLabels" ? grouping : last(selectors).labels).push(text);
    },
  });
  return { errors, selectors, grouping };
}

function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  if (item === undefined) throw new Error("a name stands outside of every selector");
  return item;
}
