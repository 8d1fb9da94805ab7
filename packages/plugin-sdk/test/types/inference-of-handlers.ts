import type { Redis } from "ioredis";
import type { Pool } from "pg";
import { z } from "zod";
import {
  type Context,
  type Degradable,
  defineAction,
  definePlugin,
  type HttpClient,
  httpClient,
  postgres,
  redis,
  resource,
  setting,
} from "../../src/index.ts";

/**
 * What authors need not write down, because it is inferred. Nothing here runs: `npm run check` compiles it, and a type that is
 * not exactly as said here is an error.
 */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

const metadata = { id: "typed", name: "Typed", description: "", version: "1", events: ["onResponse"] };
const settings = z.object({ sheet: z.string(), limit: z.int().default(3), labels: z.array(z.string()).optional() });
interface TeamSettings {
  sheet: string;
  limit: number;
  labels?: string[] | undefined;
}
interface Mailer {
  send(to: string): Promise<void>;
}

export const typed = definePlugin({
  metadata,
  settings,
  resources: {
    reports: postgres("REPORTS"),
    archive: postgres("ARCHIVE", { critical: false }),
    cache: redis("CACHE", { critical: false }),
    vendor: httpClient("VENDOR"),
    mailer: resource({
      prefix: "MAIL",
      settings: { HOST: setting(z.string(), "The mail server."), PORT: setting(z.coerce.number(), "Its port.") },
      open: ({ HOST, PORT }): Mailer => {
        same<typeof HOST, string>(true);
        same<typeof PORT, number>(true);
        return { send: async () => {} };
      },
      check: async (mailer) => same<typeof mailer, Mailer>(true),
    }),
  },
  onEvent: async (delivery, context) => {
    same<typeof context.settings, TeamSettings>(true);
    same<typeof context.resources.reports, Pool>(true);
    same<typeof context.resources.archive, Degradable<Pool>>(true);
    same<typeof context.resources.cache, Degradable<Redis>>(true);
    same<typeof context.resources.vendor, HttpClient>(true);
    same<typeof context.resources.mailer, Mailer>(true);
    same<typeof delivery.attempt, number>(true);
    // @ts-expect-error it was not declared
    context.resources.other;
    // @ts-expect-error of one that may be away, the value is behind `use`
    context.resources.archive.query;
    return undefined;
  },
  validateSettings: async (given, context) => {
    same<typeof given, TeamSettings>(true);
    same<typeof context.resources.reports, Pool>(true);
    // @ts-expect-error they are what is being checked
    context.settings;
    return [];
  },
  execute: {
    deadlineMs: 100,
    run: async (_request, context) => {
      same<typeof context.settings, TeamSettings>(true);
      same<typeof context.resources.mailer, Mailer>(true);
      return { outcome: "passed" };
    },
  },
  preStart: async ({ resources }) => same<typeof resources.mailer, Mailer>(true),
  actions: {
    greet: {
      description: "Says hello.",
      input: z.object({ text: z.string(), times: z.int().default(1) }),
      run: async (input, context) => {
        same<typeof input, { text: string; times: number }>(true);
        same<typeof context.settings, TeamSettings>(true);
        same<typeof context.resources.vendor, HttpClient>(true);
        return null;
      },
    },
    count: {
      description: "Counts.",
      input: z.object({ from: z.number() }),
      run: async (input) => {
        same<typeof input, { from: number }>(true);
        return input.from;
      },
    },
    apart: defineAction(
      z.object({ id: z.string() }),
      "Declared apart.",
      async ({ id }, _: Context<TeamSettings>) => id,
    ),
  },
});

export const plain = definePlugin({
  metadata,
  settings,
  onEvent: async (_, context) => {
    same<typeof context.settings, TeamSettings>(true);
    same<keyof typeof context.resources, never>(true);
    return undefined;
  },
  // @ts-expect-error a handler answers an outcome
  validateSettings: async () => ["wrong"],
});
