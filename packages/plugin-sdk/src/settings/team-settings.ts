import {
  Failure,
  type InitializeRequest,
  type InitializeResponse,
  type ProblemItem,
  type ResealRequest,
  type ResealResponse,
} from "@plugboard/contract";
import { type Clock, problemsOf } from "@plugboard/runtime";
import type { z } from "zod";
import type { SettingsHead, SettingsStore } from "../store/settings-store.ts";
import { isSealedElsewhere, openSeals, resealed, resealedSettings } from "./open-seals.ts";
import type { PluginKeys } from "./private-key.ts";

export interface TeamSettingsParts<Schema extends z.ZodObject> {
  readonly schema: Schema;
  readonly store: SettingsStore;
  readonly keys: PluginKeys | null;
  readonly clock: Clock;
  /** The plugin's own check of the meaning; settings reach it with their secrets opened. */
  readonly check: (team: string, settings: z.output<Schema>) => Promise<readonly ProblemItem[]>;
  /** Called when a team's settings are usable from now on. */
  readonly onApplied: (team: string) => void;
  /** Called when settings that had been applied cannot be opened or read any more. @param places JSON pointers. */
  readonly onUnreadable: (team: string, places: readonly string[]) => void;
}

/** Teams whose opened settings are kept in memory: at 10 KB each, about 10 MB. */
const OPENED_TEAMS_MAX = 1_000;

/** How long settings are used without a look at the database: another instance may have taken newer ones meanwhile. */
const CURRENT_MS_MAX = 1_000;
/** How often it is looked at for what has changed, while deliveries come. */
const LOOK_EVERY_MS = 200;
/** Of settings that are none: what the schema makes of nothing. */
const NO_VERSION = -1;

/** A team's settings, with their secrets opened. */
interface Opened<Settings> {
  readonly version: number;
  readonly settings: Settings;
  /** When the database was asked for them, on the monotonic clock. */
  readonly asOfMs: number;
}

/**
 * Teams' settings: stored sealed, opened in memory only.
 *
 *   (none) ──initialize──► applied | refused ──initialize, same or newer version──► applied | refused
 */
export class TeamSettings<Schema extends z.ZodObject> {
  readonly #parts: TeamSettingsParts<Schema>;
  /** In order of use, the longest unused first. */
  readonly #opened = new Map<string, Opened<z.output<Schema>>>();
  #looking: Promise<void> | null = null;
  /** Whether anything was asked for since the last look. */
  #wanted = false;
  /** All that is kept was in force at this moment of the monotonic clock, or has been dropped. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #begunAtMs: number;
  readonly #default: { readonly settings: z.output<Schema> } | null;

  constructor(parts: TeamSettingsParts<Schema>) {
    this.#parts = parts;
    this.#begunAtMs = parts.clock.monotonic();
    const empty = parts.schema.safeParse({});
    this.#default = empty.success ? { settings: empty.data } : null;
  }

  /** Takes a version the manager sent: checks it, stores it with the verdict, and answers the verdict. */
  async initialize(request: InitializeRequest): Promise<InitializeResponse> {
    const known = await this.#parts.store.head(request.team);
    if (known !== null && known.version > request.version) return answerOf(known);
    const parsed = await this.#parse(request.settings);
    const reasons = parsed.kind === "valid" ? await this.#parts.check(request.team, parsed.settings) : parsed.problems;
    return await this.#save(request, reasons);
  }

  /** Takes a version that this plugin had applied before it lost its database; the outside is not asked again. */
  async restore(request: InitializeRequest): Promise<void> {
    const known = await this.#parts.store.head(request.team);
    if (known?.version === request.version) return await this.#takeSeals(request);
    if (known !== null && known.version > request.version) return;
    const parsed = await this.#parse(request.settings);
    await this.#save(request, parsed.kind === "valid" ? [] : parsed.problems);
  }

  /** The manager's seals are of the key in use: after a rotation, what is stored here may still be of the one before. */
  async #takeSeals({ team, version, settings }: InitializeRequest): Promise<void> {
    const { keys, store } = this.#parts;
    if (keys === null) return;
    const content = await store.content(team, version);
    if (content === null || !isSealedElsewhere(content, keys[0].kid)) return;
    await store.reseal(team, version, content, settings);
  }

  /**
   * Seals to the current key what was sealed to an earlier one: what the manager holds of a team, and what is stored here.
   * Nothing of the settings changes by it.
   * @throws Failure `unavailable` when the manager's key is not this process's first: it has not been told of the rotation.
   */
  async reseal({ team, key, seals }: ResealRequest): Promise<ResealResponse> {
    const { keys, store } = this.#parts;
    if (keys === null || keys[0].kid !== key) throw new Failure("unavailable", "this instance seals to another key");
    const head = await store.head(team);
    const content = head === null ? null : await store.content(team, head.version);
    if (head !== null && content !== null)
      await store.reseal(team, head.version, content, (await resealedSettings(content, keys)) as typeof content);
    return { seals: await Promise.all(seals.map((seal) => resealed(seal, keys))) };
  }

  /** A team's settings as {@link of} would give them without asking the database; null when it has to be asked. */
  current(team: string): z.output<Schema> | null {
    this.#wanted = true;
    const known = this.#opened.get(team);
    if (known === undefined) return null;
    const asOfMs = Math.max(known.asOfMs, this.#lookedAtMs);
    return this.#parts.clock.monotonic() - asOfMs <= CURRENT_MS_MAX ? known.settings : null;
  }

  /** Keeps what {@link current} answers current, until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      // What cannot be looked up now is asked for one by one.
      if (this.#wanted) await this.#look().catch(() => {});
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
    }
  }

  /** One look at a time: who asks meanwhile waits for it. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    this.#wanted = false;
    const lookedAtMs = this.#parts.clock.monotonic();
    const sinceMs = lookedAtMs - Math.max(this.#lookedAtMs, this.#begunAtMs);
    for (const { team, version, state } of await this.#parts.store.changed(sinceMs)) {
      const known = this.#opened.get(team);
      if (known !== undefined && (known.version !== version || state !== "applied")) this.#opened.delete(team);
    }
    this.#lookedAtMs = lookedAtMs;
  }

  /** A team's settings with its secrets opened; null while they are missing or refused. */
  async of(team: string): Promise<z.output<Schema> | null> {
    if (this.#opened.has(team)) {
      await this.#look();
      const current = this.current(team);
      if (current !== null) return current;
    }
    const asOfMs = this.#parts.clock.monotonic();
    const head = await this.#parts.store.head(team);
    if (head === null) {
      if (this.#default === null) return null;
      this.#remember(team, { version: NO_VERSION, settings: this.#default.settings, asOfMs });
      return this.#default.settings;
    }
    if (head.state !== "applied") return null;
    const known = this.#opened.get(team);
    if (known?.version === head.version) {
      this.#remember(team, { ...known, asOfMs });
      return known.settings;
    }
    const content = await this.#parts.store.content(team, head.version);
    // Replaced between the two reads: the newer version is read instead.
    if (content === null) return await this.of(team);
    const parsed = await this.#parse(content);
    if (parsed.kind !== "valid") {
      const places = parsed.problems.map(({ path }) => path);
      this.#parts.onUnreadable(team, places);
      return null;
    }
    this.#remember(team, { version: head.version, settings: parsed.settings, asOfMs });
    return parsed.settings;
  }

  async #save(request: InitializeRequest, reasons: readonly ProblemItem[]): Promise<InitializeResponse> {
    const state = reasons.length === 0 ? "applied" : "refused";
    const stored = await this.#parts.store.save(request, state, reasons);
    this.#opened.delete(request.team);
    if (stored.state === "applied") this.#parts.onApplied(request.team);
    return answerOf(stored);
  }

  async #parse(
    sealed: Record<string, unknown>,
  ): Promise<
    | { readonly kind: "valid"; readonly settings: z.output<Schema> }
    | { readonly kind: "invalid"; readonly problems: readonly ProblemItem[] }
  > {
    const opened = await openSeals(sealed, this.#parts.keys);
    if (opened.kind === "unopened") return { kind: "invalid", problems: opened.problems };
    const result = await this.#parts.schema.safeParseAsync(opened.settings);
    return result.success
      ? { kind: "valid", settings: result.data }
      : { kind: "invalid", problems: problemsOf(result.error.issues) };
  }

  #remember(team: string, opened: Opened<z.output<Schema>>): void {
    this.#opened.delete(team);
    this.#opened.set(team, opened);
    if (this.#opened.size > OPENED_TEAMS_MAX) {
      const [oldest] = this.#opened.keys();
      if (oldest !== undefined) this.#opened.delete(oldest);
    }
  }
}

/** @throws Failure `not-configured` for callers that cannot wait for settings. */
export function required<Settings>(settings: Settings | null, team: string): Settings {
  if (settings === null) throw new Failure("not-configured", `team ${team} has no applied settings at this plugin`);
  return settings;
}

function answerOf({ state, version, reasons }: SettingsHead): InitializeResponse {
  return state === "applied" ? { status: state, version } : { status: state, version, reasons: [...reasons] };
}
