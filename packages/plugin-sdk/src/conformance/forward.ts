import type { VendorAnswer, VendorRequest } from "./plugin-description.ts";

const FORWARD_DEADLINE_MS = 30_000;
/** Headers of one connection, and what changes when a body is read and written anew. */
const OWN_HEADERS = new Set([
  "connection",
  "host",
  "content-length",
  "transfer-encoding",
  "content-encoding",
  "keep-alive",
]);

/** Has another server, such as an emulator of the vendor, do what is asked. */
export async function forwardTo(url: string, { method, path, headers, body }: VendorRequest): Promise<VendorAnswer> {
  const passed = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || OWN_HEADERS.has(name) ? [] : [[name, String(value)] as [string, string]],
  );
  const response = await fetch(new URL(path, url), {
    method,
    headers: passed,
    ...(method !== "GET" && method !== "HEAD" && { body }),
    redirect: "manual",
    signal: AbortSignal.timeout(FORWARD_DEADLINE_MS),
  });
  const answered = [...response.headers].filter(([name]) => !OWN_HEADERS.has(name));
  return { status: response.status, headers: Object.fromEntries(answered), body: await response.text() };
}
