import { expect, test } from "@jest/globals";
import { type Copy, isFaultless, type Verdict, Verifier } from "../src/verifier.ts";
import { Workload, type WorkloadSpec } from "../src/workload.ts";

const spec: WorkloadSpec = {
  seed: 3,
  records: 400,
  teams: 50,
  active: 50,
  plugins: 20,
  fanout: 2,
  size: 490,
  envelope: "binary",
  key: "response",
};
const workload = new Workload(spec);
/** Long enough for a response to come again. */
const withRevisions = new Workload({ ...spec, records: 1_400 });

/** What a faultless router writes, in order. */
function copies(of = workload): Copy[] {
  return Array.from({ length: of.spec.records }, (_, serial) => serial).flatMap((serial) => {
    const { key, value, headers } = of.record(serial);
    return of
      .pluginsOf(of.teamOf(serial))
      .map((plugin) => ({ plugin, partition: of.responseOf(serial) % 6, key, value, headers: [...headers] }));
  });
}

function judge(all: readonly Copy[], of = workload): Verdict {
  const verifier = new Verifier(of);
  for (const copy of all) verifier.take(copy);
  return verifier.verdict();
}

/** The copies with one of them altered. */
function withOne(change: (copy: Copy) => Copy, of = workload): Copy[] {
  const all = copies(of);
  all[100] = change(all[100] as Copy);
  return all;
}

const clean = { missing: 0, duplicate: 0, misrouted: 0, changed: 0, orderBreaks: 0 };

test("what a faultless router writes is found faultless, and is not empty", () => {
  const verdict = judge(copies());
  expect(verdict).toMatchObject(clean);
  expect(isFaultless(verdict)).toBe(true);
  expect(verdict.copies).toBe(verdict.expected);
  expect(verdict.copies).toBeGreaterThan(workload.spec.records);
});

test("a missing copy is found", () => {
  const verdict = judge(copies().toSpliced(100, 1));
  expect(verdict).toMatchObject({ ...clean, missing: 1 });
  expect(isFaultless(verdict)).toBe(false);
});

test("a duplicate is found, and is no break of order", () => {
  const all = copies();
  expect(judge([...all, all[100] as Copy])).toMatchObject({ ...clean, duplicate: 1 });
});

test("a copy in a topic it does not belong to is found", () => {
  const strayed = copies()[100] as Copy;
  const routes = workload.pluginsOf(workload.teamOf(workload.serialOf(strayed.value as Buffer)));
  const elsewhere = Array.from({ length: 20 }, (_, plugin) => plugin).find((plugin) => !routes.includes(plugin));
  const all = withOne((copy) => ({ ...copy, plugin: elsewhere as number }));
  expect(judge(all)).toMatchObject({ ...clean, misrouted: 1, missing: 1 });
});

test("changed bytes at any place are found", () => {
  for (const at of [0, 200, 489]) {
    const all = withOne((copy) => {
      const value = Buffer.from(copy.value as Buffer);
      value[at] = (value[at] as number) ^ 1;
      return { ...copy, value };
    });
    expect(judge(all)).toMatchObject({ ...clean, changed: 1 });
  }
});

test("a shorter, longer or missing value is found", () => {
  expect(judge(withOne((copy) => ({ ...copy, value: (copy.value as Buffer).subarray(0, 300) })))).toMatchObject({
    ...clean,
    changed: 1,
  });
  const longer = (copy: Copy) => ({ ...copy, value: Buffer.concat([copy.value as Buffer, Buffer.from(" ")]) });
  expect(judge(withOne(longer)).changed).toBe(1);
  expect(judge(withOne((copy) => ({ ...copy, value: null })))).toMatchObject({ ...clean, changed: 1, missing: 1 });
});

test("another key and a lost header are found", () => {
  expect(judge(withOne((copy) => ({ ...copy, key: Buffer.from("other") }))).changed).toBe(1);
  expect(judge(withOne((copy) => ({ ...copy, headers: copy.headers.slice(1) }))).changed).toBe(1);
});

test("two records of a key in the wrong order are found", () => {
  const all = copies(withRevisions);
  const first = all[100] as Copy;
  const later = all.findIndex(
    (copy, index) => index > 100 && copy.plugin === first.plugin && copy.key?.equals(first.key as Buffer),
  );
  expect(later).toBeGreaterThan(100);
  all[100] = all[later] as Copy;
  all[later] = first;
  expect(judge(all, withRevisions).orderBreaks).toBe(1);
});

test("a key that is in two partitions is found", () => {
  const all = withOne((copy) => ({ ...copy, partition: (copy.partition + 1) % 6 }), withRevisions);
  expect(judge(all, withRevisions).orderBreaks).toBeGreaterThan(0);
});
