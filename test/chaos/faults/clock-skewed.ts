import type { Fault } from "./fault.ts";

const HOUR_MS = 3_600_000;

/** The wall clock of a router an hour ahead: the monotonic one goes on as ever. */
export const clockSkewed: Fault = {
  name: "clock-skewed",
  what: "a router whose clock is an hour ahead",
  touches: ["routers"],
  standsMs: 8_000,
  inject: async ({ routers }, dice) => {
    const router = dice.oneOf(routers);
    await router.end("SIGTERM");
    const skew = `const now=Date.now;Date.now=()=>now()+${HOUR_MS};globalThis.Date=class extends Date{constructor(...a){super(...(a.length===0?[Date.now()]:a))}};`;
    await router.start({}, ["--import", `data:text/javascript,${encodeURIComponent(skew)}`]);
    return async () => {
      await router.end("SIGTERM");
      await router.start();
    };
  },
};
