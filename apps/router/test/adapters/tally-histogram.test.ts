import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { Histogram, Registry } from "prom-client";
import { TallyHistogram } from "../../src/adapters/tally-histogram.ts";

test("shows what the library's own histogram shows of the same values", async () => {
  const values = fc.array(fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.constantFrom(0, 0.5, 1, 10)));
  await fc.assert(
    fc.asyncProperty(values, async (all) => {
      const shown = async (Kind: typeof Histogram | typeof TallyHistogram) => {
        const registry = new Registry();
        const options = { name: "seconds", help: "How long.", buckets: [0.5, 1, 10], registers: [registry] };
        const histogram = new Kind(options);
        for (const value of all) histogram.observe(value);
        return await registry.metrics();
      };
      expect(await shown(TallyHistogram)).toBe(await shown(Histogram));
    }),
    { numRuns: 30 },
  );
});
