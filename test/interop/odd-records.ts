import type { JavaHeader } from "./java-steps.ts";

export const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** Longer than a block of any codec, and not the same all over. */
export const LONG_VALUE = Buffer.from(
  JSON.stringify({ answers: { long: Array.from({ length: 6_000 }, (_, index) => `réponse ${index}`).join(" ") } }),
);

export interface OddRecord {
  readonly id: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly own: readonly JavaHeader[];
}

/** Records as no core should write them, but may; their ids begin with this name. */
export function oddRecords(name: string): OddRecord[] {
  const key = Buffer.from("odd");
  const value = LONG_VALUE;
  const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const repeated = ["1", "2", "y", "2"].map((text): JavaHeader => [text === "y" ? "y" : "x", text]);
  return [
    { id: `${name}-plain`, key, value, own: [["traceparent", trace]] },
    { id: `${name}-null-key`, key: null, value, own: [] },
    { id: `${name}-empty-key`, key: Buffer.alloc(0), value, own: [["empty", ""]] },
    { id: `${name}-binary-key`, key: Buffer.from([0xff, 0x00, 0xfe]), value, own: [["bytes", Buffer.from([0, 255])]] },
    { id: `${name}-twice`, key, value, own: repeated },
    { id: `${name}-null-header`, key, value, own: [["nothing", null]] },
    { id: `${name}-tombstone`, key, value: null, own: [] },
  ];
}
