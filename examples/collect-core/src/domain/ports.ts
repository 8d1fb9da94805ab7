import type { CoreCommand } from "@plugboard/contract";
import type { CommandOutcome } from "./core-command.ts";
import type { Form, FormBody, FormSummary } from "./form.ts";
import type { EventRecord, OutboxEvent } from "./outbox-event.ts";
import type { CollectorFlag, NewRevision, Page, ResponseDetail, ResponseSummary } from "./response.ts";

/** Where in a listing to go on, and how much of it. */
export interface PageRequest {
  readonly after: string | null;
  readonly limit: number;
}

export interface Forms {
  find(id: string): Promise<Form | null>;
  list(page: PageRequest): Promise<Page<FormSummary>>;
  /**
   * Creates a form, with its event in the outbox, or replaces it. A form stays with its team.
   * @returns false for `wrong-team`; nothing is changed then.
   */
  put(id: string, body: FormBody): Promise<"created" | "replaced" | "wrong-team">;
}

/** A response that an idempotency key stands for. */
export interface KeyedResponse {
  readonly responseId: string;
  /** Of what was submitted with the key. */
  readonly fingerprint: string;
}

export interface IdempotencyKey {
  readonly key: string;
  readonly fingerprint: string;
}

export interface Responses {
  /**
   * Stores a new response, its sync flags and its event in one statement: all of them or none.
   * @returns false when the idempotency key is taken; nothing is stored then.
   */
  insert(revision: NewRevision, key: IdempotencyKey | null): Promise<boolean>;
  /** The same for a later revision. @returns false when the stored revision is not the one before, or it is deleted. */
  revise(revision: NewRevision): Promise<boolean>;
  /** Deletes a response as a last revision. @returns false when `revision` is not the stored one + 1. */
  remove(responseId: string, revision: number, at: string): Promise<boolean>;
  findByKey(formId: string, key: string): Promise<KeyedResponse | null>;
  summary(id: string): Promise<ResponseSummary | null>;
  detail(id: string): Promise<ResponseDetail | null>;
  list(filter: ResponseFilter, page: PageRequest): Promise<Page<ResponseSummary>>;
}

export interface ResponseFilter {
  /** Null for all forms. */
  readonly formId: string | null;
  /** Only those with open flags. */
  readonly flagged: boolean;
}

export interface Flags {
  /** Open flags, newest first. */
  ofCollector(collector: string, page: PageRequest): Promise<Page<CollectorFlag>>;
  /** Carries out a command once, however often it comes. */
  apply(command: CoreCommand): Promise<CommandOutcome>;
}

export interface Outbox {
  /**
   * Claims a lane nobody else is working on and hands its oldest events, in order, to `emit`; they leave the outbox when
   * `emit` resolves and stay when it rejects.
   * @returns how many were emitted; 0 when there is nothing to claim.
   */
  relay(emit: (events: readonly OutboxEvent[]) => Promise<void>): Promise<number>;
  /** How much is waiting, and for how long, seconds. */
  pending(): Promise<{ readonly events: number; readonly oldestSeconds: number }>;
}

/** Sends records; resolves when every one is acknowledged by all replicas in sync. */
export interface EventSink {
  send(topic: string, records: readonly EventRecord[]): Promise<void>;
}
