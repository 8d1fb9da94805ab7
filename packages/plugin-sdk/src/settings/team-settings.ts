import {
  Failure,
  type InitializeRequest,
  type InitializeResponse,
  type ProblemItem,
  type ResealRequest,
  type ResealResponse,
} from "@plugboard/contract";
import { problemsOf } from "@plugboard/runtime";
import type { z } from "zod";
import type { SettingsHead, SettingsStore } from "../store/settings-store.ts";
import { isSealedElsewhere, openSeals, resealed, resealedSettings } from "./open-seals.ts";
import type { PluginKeys } from "./private-key.ts";

export interface TeamSettingsParts<Schema extends z.ZodObject> {
  readonly schema: Schema;
  readonly store: SettingsStore;
  readonly keys: PluginKeys | null;
  /** The plugin's own check of the meaning; settings reach it with their secrets opened. */
  readonly check: (team: string, settings: z.output<Schema>) => Promise<readonly ProblemItem[]>;
  /** Called when a team's settings are usable from now on. */
  readonly onApplied: (team: string) => void;
  /** Called when settings that had been applied cannot be opened or read any more. @param places JSON pointers. */
  readonly onUnreadable: (team: string, places: readonly string[]) => void;
}

/** Teams whose opened settings are kept in memory: at 10 KB each, about 10 MB. */
const OPENED_TEAMS_MAX = 1_000;

/**
 * Teams' settings: stored sealed, opened in memory only.
 *
 *   (none) ──initialize──► applied | refused ──initialize, same or newer version──► applied | refused
 */
export class TeamSettings<Schema extends z.ZodObject> {
  readonly #parts: TeamSettingsParts<Schema>;
  /** In order of use, the longest unused first. */
  readonly #opened = new Map<string, { readonly version: number; readonly settings: z.output<Schema> }>();
  readonly #default: { readonly settings: z.output<Schema> } | null;

  constructor(parts: TeamSettingsParts<Schema>) {
    this.#parts = parts;
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

  /** A team's settings with its secrets opened; null while they are missing or refused. */
  async of(team: string): Promise<z.output<Schema> | null> {
    const head = await this.#parts.store.head(team);
    if (head === null) return this.#default?.settings ?? null;
    if (head.state !== "applied") return null;
    const known = this.#opened.get(team);
    if (known?.version === head.version) {
      this.#remember(team, known.version, known.settings);
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
    this.#remember(team, head.version, parsed.settings);
    return parsed.settings;
  }

  async #save(request: InitializeRequest, reasons: readonly ProblemItem[]): Promise<InitializeResponse> {
    const state = reasons.length === 0 ? "applied" : "refused";
    const stored = await this.#parts.store.save(request, state, reasons);
    if (stored.version === request.version) this.#opened.delete(request.team);
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

  #remember(team: string, version: number, settings: z.output<Schema>): void {
    this.#opened.delete(team);
    this.#opened.set(team, { version, settings });
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
