import type { Flag } from "@plugboard/contract";
import type { SyncVerdict } from "../plugboard-sync.ts";
import { storableText } from "./storable-text.ts";

/** A response as it is about to be stored. */
export interface NewRevision {
  readonly responseId: string;
  readonly formId: string;
  readonly team: string;
  /** 1 for a new response; must be the stored one + 1 for a correction. */
  readonly revision: number;
  readonly collector: string | null;
  /** The event's value, `{"answers":…,"collector":…}`, as JSON text with the answers in the order they were given. */
  readonly data: string;
  /** When it was submitted: ISO 8601, UTC. */
  readonly at: string;
  readonly sync: SyncVerdict;
}

/** `open`: to be corrected. `resolved`: a later revision came. `outdated`: it came after a later revision. */
type FlagState = "open" | "resolved" | "outdated";

export interface StoredFlag extends Flag {
  readonly plugin: string;
  readonly revision: number;
  readonly state: FlagState;
  readonly at: string;
}

export interface StoredRevision {
  readonly revision: number;
  readonly answers: Readonly<Record<string, unknown>>;
  readonly collector: string | null;
  readonly sync: SyncVerdict | null;
  readonly at: string;
}

export interface ResponseSummary {
  readonly id: string;
  readonly formId: string;
  readonly team: string;
  readonly collector: string | null;
  readonly revision: number;
  readonly submittedAt: string;
  readonly updatedAt: string;
  readonly openFlags: number;
}

export interface ResponseDetail extends ResponseSummary {
  /** Newest first; the current one is the first. */
  readonly revisions: readonly StoredRevision[];
  readonly flags: readonly StoredFlag[];
}

/** A flag with the response it is about, for its collector. */
export interface CollectorFlag extends StoredFlag {
  readonly responseId: string;
  readonly formId: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Pass as `after` for the next page; null at the end. */
  readonly next: string | null;
}

/** The flags of a verdict, with the plugins that raised them. */
export function flagsOf(sync: SyncVerdict): (Flag & { readonly plugin: string })[] {
  if (sync.status !== "processed") return [];
  return sync.results.flatMap(({ plugin, flags }) => flags.map((flag) => ({ plugin, ...storable(flag) })));
}

function storable({ rule, message, fields }: Flag): Flag {
  return { rule: storableText(rule), message: storableText(message), fields: fields.map(storableText) };
}
