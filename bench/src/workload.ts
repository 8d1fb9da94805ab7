import { EVENT_HEADER, STRUCTURED_CONTENT_TYPE } from "@plugboard/contract";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { z } from "zod";

export const ENVELOPES = ["flat", "structured", "binary"] as const;
export const RECORD_KEYS = ["response", "team"] as const;

/** What is routed in a run; two workloads of equal specs are equal byte for byte. */
export const workloadSpecSchema = z.object({
  seed: z.int(),
  records: z.int(),
  /** Teams in the routing table. */
  teams: z.int(),
  /** Teams that events come from: the first so many. */
  active: z.int(),
  /** Plugins, each with a topic of its own. */
  plugins: z.int(),
  /** Mean number of plugins that a team has enabled. */
  fanout: z.number(),
  /** Bytes of a record's value. */
  size: z.int(),
  envelope: z.enum(ENVELOPES),
  /** What records are keyed, and so ordered, by. */
  key: z.enum(RECORD_KEYS),
  /** One of the active teams sends so many times as much as each other; 0 for nothing at all. */
  noisy: z.object({ team: z.int(), times: z.int() }).optional(),
});
export type WorkloadSpec = Readonly<z.infer<typeof workloadSpecSchema>>;

/** A record as it is produced. */
export interface WorkloadRecord {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers: Map<Buffer, Buffer>;
}

/** Each response is written in this many revisions, a block of other responses apart: order per key can be checked. */
const REVISIONS = 4;
const BLOCK_RESPONSES = 1_024;
const BLOCK = BLOCK_RESPONSES * REVISIONS;
/** Different contents of values: enough that no cache of a few strings helps anybody. */
const FILLERS = 61;
const SERIAL_DIGITS = 10;
const OCCURRED_AT = "2026-11-01T08:00:00Z";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const TAIL = "}}}";

const digits = (value: number, width: number) => String(value).padStart(width, "0");
export const teamId = (team: number): string => `t${digits(team, 7)}`;
export const pluginId = (plugin: number): string => `p${digits(plugin, 3)}`;
const formId = (team: number): string => `f${digits(team % 1_000, 3)}`;
const responseId = (response: number): string => `r${digits(response, 9)}`;

/** The records of a run and where each has to go, made from a seed: nothing of it is kept but a few arrays. */
export class Workload {
  readonly spec: WorkloadSpec;
  readonly #teamOfResponse: Int32Array;
  readonly #firstPlugin: Uint16Array;
  readonly #fillers: readonly Buffer[];
  /** Where a value's serial stands: all that precedes it has the same width in every record. */
  readonly #serialAt: number;
  readonly #headBytes: number;

  constructor(spec: WorkloadSpec) {
    if (spec.active > spec.teams) throw new Error(`${spec.active} active teams are more than all ${spec.teams} teams`);
    if (spec.fanout > spec.plugins) throw new Error(`a fan-out of ${spec.fanout} needs as many plugins`);
    this.spec = spec;
    const random = xoroshiro128plus(spec.seed);
    const team = drawnTeam(spec);
    this.#teamOfResponse = new Int32Array(Math.ceil(spec.records / BLOCK) * BLOCK_RESPONSES).map(() =>
      team((most) => uniformInt(random, 0, most)),
    );
    // From a source of its own: routes are the same whatever is sent.
    const routes = xoroshiro128plus(spec.seed + 1);
    this.#firstPlugin = new Uint16Array(spec.teams).map(() => uniformInt(routes, 0, spec.plugins - 1));
    const head = this.#head(0);
    this.#serialAt = head.indexOf(digits(0, SERIAL_DIGITS));
    this.#headBytes = head.length;
    this.#fillers = Array.from({ length: FILLERS }, () =>
      filler(spec.size - head.length, () => uniformInt(random, 0, 25)),
    );
  }

  get responses(): number {
    return this.#teamOfResponse.length;
  }

  responseOf(serial: number): number {
    return Math.floor(serial / BLOCK) * BLOCK_RESPONSES + (serial % BLOCK_RESPONSES);
  }

  teamOf(serial: number): number {
    return this.#teamOfResponse[this.responseOf(serial)] as number;
  }

  /** A number below `max(responses, teams)` that stands for the record's key. */
  keyNumberOf(serial: number): number {
    return this.spec.key === "team" ? this.teamOf(serial) : this.responseOf(serial);
  }

  /**
   * The plugins that a team has enabled: between 0 and twice the mean, as far as there are plugins, equally often.
   * Neighbours in number, beginning anywhere, so that every plugin gets as much as any other.
   */
  pluginsOf(team: number): number[] {
    const { fanout, plugins } = this.spec;
    const spread = Math.min(fanout, plugins - fanout);
    const count = fanout - spread + (team % (2 * spread + 1));
    const first = this.#firstPlugin[team] as number;
    return Array.from({ length: count }, (_, index) => (first + index) % plugins);
  }

  /** The whole table: each team's id and those of its plugins. */
  *routes(): Generator<{ readonly team: string; readonly plugins: readonly string[] }> {
    for (let team = 0; team < this.spec.teams; team++)
      yield { team: teamId(team), plugins: this.pluginsOf(team).map(pluginId) };
  }

  record(serial: number): WorkloadRecord {
    return { key: Buffer.from(this.keyText(serial)), value: this.value(serial), headers: this.#headers(serial) };
  }

  /** The event's own id: a letter and the serial. */
  eventId(serial: number): string {
    return `e${digits(serial, SERIAL_DIGITS)}`;
  }

  keyText(serial: number): string {
    return this.spec.key === "team" ? teamId(this.teamOf(serial)) : responseId(this.responseOf(serial));
  }

  value(serial: number): Buffer {
    return Buffer.concat([Buffer.from(this.#head(serial), "latin1"), this.#filler(serial)]);
  }

  /** The serial that a value carries; -1 when it carries none of this workload's. */
  serialOf(value: Buffer): number {
    let serial = 0;
    for (let at = this.#serialAt; at < this.#serialAt + SERIAL_DIGITS; at++) {
      const digit = (value[at] ?? 0) - 48;
      if (digit < 0 || digit > 9) return -1;
      serial = serial * 10 + digit;
    }
    return serial < this.spec.records ? serial : -1;
  }

  /** Whether the bytes are those that were produced. */
  isValue(serial: number, value: Buffer): boolean {
    const head = this.#headBytes;
    return (
      value.length === this.spec.size &&
      value.toString("latin1", 0, head) === this.#head(serial) &&
      value.compare(this.#filler(serial), 0, undefined, head) === 0
    );
  }

  #filler(serial: number): Buffer {
    return this.#fillers[serial % FILLERS] as Buffer;
  }

  #head(serial: number): string {
    const team = this.teamOf(serial);
    const id = digits(serial, SERIAL_DIGITS);
    const revision = (Math.floor(serial / BLOCK_RESPONSES) % REVISIONS) + 1;
    const response = responseId(this.responseOf(serial));
    switch (this.spec.envelope) {
      case "flat":
        return `{"id":"e${id}","team_id":"${teamId(team)}","event":"onResponse","form_id":"${formId(team)}","response_id":"${response}","revision":${revision},"occurred_at":"${OCCURRED_AT}","data":{"answers":{`;
      case "structured":
        return `{"specversion":"1.0","id":"e${id}","source":"bench","type":"onResponse","subject":"${response}","teamid":"${teamId(team)}","formid":"${formId(team)}","revision":${revision},"time":"${OCCURRED_AT}","data":{"answers":{`;
      case "binary":
        return `{"more":{"serial":"${id}"},"data":{"answers":{`;
    }
  }

  #headers(serial: number): Map<Buffer, Buffer> {
    const { envelope } = this.spec;
    if (envelope === "flat") return new Map();
    const team = this.teamOf(serial);
    const texts: readonly (readonly [string, string])[] =
      envelope === "structured"
        ? [[EVENT_HEADER.contentType, STRUCTURED_CONTENT_TYPE]]
        : [
            [EVENT_HEADER.specversion, "1.0"],
            [EVENT_HEADER.id, this.eventId(serial)],
            [EVENT_HEADER.source, "bench"],
            [EVENT_HEADER.type, "onResponse"],
            [EVENT_HEADER.time, OCCURRED_AT],
            [EVENT_HEADER.subject, responseId(this.responseOf(serial))],
            [EVENT_HEADER.teamId, teamId(team)],
            [EVENT_HEADER.formId, formId(team)],
            [EVENT_HEADER.contentType, "application/json"],
          ];
    return new Map(texts.map(([name, text]) => [Buffer.from(name), Buffer.from(text)]));
  }
}

/** Draws an active team, all alike but for the noisy one. */
function drawnTeam({ active, noisy }: WorkloadSpec): (upTo: (most: number) => number) => number {
  if (noisy === undefined) return (upTo) => upTo(active - 1);
  const others = active - 1;
  return (upTo) => {
    const drawn = upTo(others + noisy.times - 1);
    if (drawn >= others) return noisy.team;
    return drawn < noisy.team ? drawn : drawn + 1;
  };
}

/**
 * A form's answers, `"q000":"…"` and so on, that end the value: exactly `bytes` long. Drawing letters costs more than all
 * else, so that those of long values repeat.
 */
function filler(bytes: number, letter: () => number): Buffer {
  const answers = Array.from({ length: DIFFERENT_ANSWERS }, () =>
    Array.from({ length: ANSWER_CHARS_MAX }, () => LETTERS[letter()]).join(""),
  );
  const parts: string[] = [];
  let left = bytes - TAIL.length;
  for (let question = 0; question === 0 || left > 0; question++) {
    const open = `${question === 0 ? "" : ","}"q${digits(question % 1_000, 3)}":"`;
    const room = left - open.length - 1;
    if (room < 0) throw new Error(`values of this envelope need ${-room} bytes more`);
    // What remains after the last answer must not be too little for another one.
    const length = room < ANSWER_CHARS + open.length + 2 ? room : ANSWER_CHARS;
    parts.push(`${open}${answers[question % DIFFERENT_ANSWERS]?.slice(0, length)}"`);
    left -= open.length + length + 1;
  }
  return Buffer.from(parts.join("") + TAIL, "latin1");
}
const ANSWER_CHARS = 24;
/** The last answer takes what remains. */
const ANSWER_CHARS_MAX = 2 * ANSWER_CHARS;
const DIFFERENT_ANSWERS = 31;
