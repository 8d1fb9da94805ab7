import { join } from "node:path";
import express, { type Router } from "express";
import { Liquid } from "liquidjs";
import type { RouterStatus } from "../domain/router-status.ts";

/** Beside this file's directory both in src/ and in dist/. */
const VIEWS = join(import.meta.dirname, "../../views");
/** Nothing is loaded, run or sent: a page and its own style. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Seconds after which the page asks for itself again, unless `?refresh=off`. */
const REFRESH_SECONDS = 5;

/** GET /status, a page for people, or JSON for who asks for that; /status.json. */
export function statusRoutes(read: () => Promise<RouterStatus>): Router {
  const liquid = new Liquid({ root: VIEWS, extname: ".liquid", outputEscape: "escape", cache: true });
  for (const [name, filter] of Object.entries(FILTERS)) liquid.registerFilter(name, filter);
  const router = express.Router();
  router.get("/status", async (request, response) => {
    response.set("cache-control", "no-store").vary("accept");
    const status = await read();
    if (request.accepts(["html", "json"]) === "json") {
      response.json(status);
      return;
    }
    const refresh = request.query.refresh === "off" ? null : REFRESH_SECONDS;
    response.set("content-security-policy", POLICY).type("html");
    response.send(await liquid.renderFile("status", { status, refresh, problems: problemsOf(status) }));
  });
  router.get("/status.json", async (_request, response) => {
    response.set("cache-control", "no-store").json(await read());
  });
  return router;
}

/** What is not as it should be, the worst first; empty on a good day. */
function problemsOf({ health, safety, trouble, unwritable }: RouterStatus): string[] {
  const failing = health.checks.filter(({ problem }) => problem !== null);
  const unsafe = safety.findings.filter(({ grade }) => grade === "unsafe");
  return [
    ...(trouble.offsetsLost > 0 ? ["Records were deleted before they were routed: data is lost."] : []),
    ...(unsafe.length > 0
      ? [
          `PLUGBOARD_ALLOW_UNSAFE: ${unsafe.length} setting${unsafe.length === 1 ? "" : "s"} with which data can be lost.`,
        ]
      : []),
    ...failing.map(({ name, problem }) => `Check ${name}: ${problem}.`),
    ...unwritable.map(
      ({ topic, parking }) => `Topic ${topic} cannot be written; its copies ${parking ? "are parked" : "wait"}.`,
    ),
  ];
}

const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const SCALES = [
  ["day", 172_800, 86_400],
  ["hour", 7_200, 3_600],
  ["minute", 120, 60],
  ["second", 0, 1],
] as const;
const BYTE_UNITS = ["B", "KiB", "MiB", "GiB"];

const FILTERS: Readonly<Record<string, (value: number | null) => string>> = {
  number: (value) => (value === null ? "–" : numbers.format(value)),
  /** A fraction tells something of small ones only. */
  rate: (value) => numbers.format(value !== null && value >= 100 ? Math.round(value) : (value ?? 0)),
  /** From seconds, in the largest unit of which there are at least two. */
  duration: (value) => {
    if (value === null) return "–";
    const [unit, , seconds] = SCALES.find(([, least]) => value >= least) ?? SCALES[3];
    return new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: 1 }).format(value / seconds);
  },
  bytes: (value) => {
    let [amount, unit] = [value ?? 0, 0];
    for (; amount >= 1_024 && unit < BYTE_UNITS.length - 1; unit += 1) amount /= 1_024;
    return `${numbers.format(amount)} ${BYTE_UNITS[unit]}`;
  },
};
