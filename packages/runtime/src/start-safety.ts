import { Failure } from "@plugboard/contract";
import { Gauge, type Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import { breakable, type Component, withDeadline } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { env, setting } from "./settings.ts";

/** Spread into the settings of each process that checks what it stands on. */
export const safetySettings = {
  PLUGBOARD_ALLOW_UNSAFE: setting(
    env.flag().default(false),
    "Starts although Kafka or Redis is set so that data can be lost; else the process names every such setting and ends.",
  ),
};

/** Something about a service that this process stands on and does not own. */
export interface SafetyFinding {
  /** unsafe: data would be lost, no start. risk: told, the operator's to choose. unchecked: it could not be looked at, and why. */
  readonly grade: "unsafe" | "risk" | "unchecked";
  /** Whose setting. */
  readonly where: string;
  readonly what: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Rejects when nobody answers; then it is asked again. */
export interface SafetyQuestion {
  readonly where: string;
  ask(signal: AbortSignal): Promise<readonly SafetyFinding[]>;
}

const ANSWER_MS_MAX = 10_000;
/** Pause before who gave no answer is asked again. */
const ASK_AGAIN_MS = 5_000;

export interface StartSafetyOptions {
  /** The setting PLUGBOARD_ALLOW_UNSAFE. */
  readonly allowUnsafe: boolean;
  /** How long a start waits for an answer, milliseconds; 10,000 unless said. */
  readonly answerMsMax?: number;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Keeps a process from running on settings that lose data. All questions are asked at once, all problems told at once. Who does
 * not answer in time does not hold up the start: asked again in the background, a late answer may still end the process.
 */
export class StartSafety implements Component {
  readonly name = "start-safety";
  readonly broken: Promise<never>;
  readonly #options: StartSafetyOptions;
  readonly #stopped = new AbortController();
  readonly #break: (error: unknown) => void;
  readonly #findings: SafetyFinding[] = [];

  constructor(options: StartSafetyOptions) {
    this.#options = options;
    const { broken, fail } = breakable();
    this.broken = broken;
    this.#break = fail;
    registerSafetyMetric(options.registry, () => this.#findings.filter(({ grade }) => grade === "unsafe").length);
  }

  get findings(): readonly SafetyFinding[] {
    return this.#findings;
  }

  /** @throws Failure `unsafe-settings` with every problem, unless the setting allows them. */
  async check(questions: readonly SafetyQuestion[]): Promise<void> {
    const { logger } = this.#options;
    const answers = await Promise.all(
      questions.map(async (question) => {
        try {
          return await this.#ask(question);
        } catch (error) {
          const reason = (error as Error).message;
          logger.warn({ where: question.where, reason }, "not checked for settings that lose data yet: asking again");
          void this.#askAgain(question);
          return [];
        }
      }),
    );
    this.#judge(answers.flat());
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
  }

  async #ask({ where, ask }: SafetyQuestion): Promise<readonly SafetyFinding[]> {
    const { answerMsMax = ANSWER_MS_MAX } = this.#options;
    const late = AbortSignal.any([AbortSignal.timeout(answerMsMax), this.#stopped.signal]);
    return (await withDeadline(ask(late), answerMsMax, `${where} did not answer`)) ?? [];
  }

  async #askAgain(question: SafetyQuestion): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopped;
    for (;;) {
      await clock.sleep(ASK_AGAIN_MS, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        const answer = await this.#ask(question);
        this.#judge(answer);
        return;
      } catch (error) {
        if (error instanceof Failure) return this.#break(error);
        logger.debug({ where: question.where, error }, "not checked yet: asking again");
      }
    }
  }

  #judge(findings: readonly SafetyFinding[]): void {
    const { allowUnsafe, logger } = this.#options;
    this.#findings.push(...findings);
    for (const { grade, where, what, remedy } of findings) {
      const level = grade === "unsafe" ? "error" : "warn";
      logger[level]({ where, what, remedy }, MESSAGES[grade]);
    }
    const unsafe = findings.filter(({ grade }) => grade === "unsafe");
    if (unsafe.length === 0) return;
    if (allowUnsafe) {
      logger.error({ settings: unsafe.length }, "PLUGBOARD_ALLOW_UNSAFE is set: running although data can be lost");
      return;
    }
    throw new Failure(
      "unsafe-settings",
      `${unsafe.length} setting${unsafe.length === 1 ? "" : "s"} would lose data: correct them, or set PLUGBOARD_ALLOW_UNSAFE=true to run all the same`,
      {
        problems: unsafe.map(({ where, what, remedy }) => ({ path: where, message: `${what}. Correct it: ${remedy}` })),
      },
    );
  }
}

const MESSAGES: Readonly<Record<SafetyFinding["grade"], string>> = {
  unsafe: "a setting would lose data",
  risk: "a setting puts data at risk",
  unchecked: "not known whether its settings would lose data",
};

/** @param unsafe how many settings are. */
export function registerSafetyMetric(registry: Registry, unsafe: () => number): void {
  new Gauge({
    name: "plugboard_unsafe_settings",
    help: "Settings of Kafka and Redis, as found at start, with which data can be lost; above 0 only where PLUGBOARD_ALLOW_UNSAFE is set.",
    aggregator: "max",
    registers: [registry],
    collect() {
      this.set(unsafe());
    },
  });
}
