import { Ajv2020 } from "ajv/dist/2020.js";
import type { FormatsPlugin } from "ajv-formats";
import ajvFormats from "ajv-formats";
import type { OpenApiDocument } from "../src/http/openapi-document.ts";

/** An answer as it came over the wire. */
export interface ReceivedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into as any reader of JSON would.
type Json = any;

const addFormats = ajvFormats as unknown as FormatsPlugin;
const ROOT = "openapi";

/** Holds answers against the document that the manager itself serves: status, content type, headers, body. */
export class AnswerCheck {
  readonly #paths: readonly { readonly template: string; readonly pattern: RegExp }[];
  readonly #document: Json;
  readonly #ajv: Ajv2020;

  constructor(document: OpenApiDocument) {
    this.#document = document;
    // Templates without parameters first: /a/b is itself before it is /a/{x}.
    this.#paths = Object.keys(document.paths ?? {})
      .toSorted((one, other) => one.split("{").length - other.split("{").length)
      .map((template) => ({ template, pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`) }));
    this.#ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));
    this.#ajv.addSchema(document, ROOT);
  }

  /** The template that a path belongs to. */
  templateOf(path: string): string | undefined {
    const [bare = ""] = path.split("?");
    return this.#paths.find(({ pattern }) => pattern.test(bare))?.template;
  }

  /** Everything in an answer that the document does not say; empty when it obeys. */
  problemsOf(method: string, path: string, answer: ReceivedAnswer): string[] {
    const template = this.templateOf(path);
    const operation = template && this.#document.paths[template][method.toLowerCase()];
    if (template === undefined) return this.#problemAnswer(answer, { 404: "not-found", 400: "invalid-input" });
    // A path that cannot be read is no path that could allow methods.
    if (operation === undefined && !isReadable(path)) return this.#problemAnswer(answer, { 400: "invalid-input" });
    const operations = this.#document.paths[template];
    if (operation !== undefined)
      return this.#declaredAnswer(`paths/${escaped(template)}/${method.toLowerCase()}`, answer);
    const allowed = answer.headers.get("allow") === null ? ["there is no allow header"] : [];
    if (method === "OPTIONS")
      return [...allowed, ...(answer.status === 204 ? [] : [`${answer.status} instead of 204`])];
    if (method === "HEAD" && operations.get !== undefined)
      return this.#declaredAnswer(`paths/${escaped(template)}/get`, answer, { bodyless: true });
    return [...allowed, ...this.#problemAnswer(answer, { 405: "method-not-allowed" })];
  }

  /** For what no operation describes: the introduction says which problems there can be. */
  #problemAnswer(answer: ReceivedAnswer, codes: Readonly<Record<number, string>>): string[] {
    const code = codes[answer.status];
    if (code === undefined) return [`${answer.status} is none of ${Object.keys(codes).join(", ")}`];
    if (answer.text === "") return [];
    const problems = this.#bodyProblems("components/schemas/Problem", answer.text);
    return problems.length > 0 || JSON.parse(answer.text).code === code ? problems : [`the code is not ${code}`];
  }

  #declaredAnswer(operation: string, answer: ReceivedAnswer, { bodyless = false } = {}): string[] {
    const own = `${operation}/responses/${answer.status}`;
    const declared = this.#at(own);
    if (declared === undefined) return [`the status ${answer.status} is not declared`];
    const place = declared.$ref === undefined ? own : declared.$ref.slice("#/".length);
    const response = this.#at(place);
    const problems = Object.keys(response.headers ?? {})
      .filter((name) => answer.headers.get(name) === null)
      .map((name) => `the header ${name} is missing`);
    const type = answer.headers.get("content-type")?.split(";")[0];
    if (response.content === undefined) {
      if (answer.text !== "") problems.push("there is a body, and none is declared");
      return problems;
    }
    if (type === undefined || response.content[type] === undefined)
      return [...problems, `the content type ${type} is not declared`];
    if (bodyless) return answer.text === "" ? problems : [...problems, "there is a body"];
    if (!/[/+]json$/.test(type)) return problems;
    return [...problems, ...this.#bodyProblems(`${place}/content/${escaped(type)}/schema`, answer.text)];
  }

  #bodyProblems(place: string, text: string): string[] {
    const reference = `${ROOT}#/${place}`;
    const validate = this.#ajv.getSchema(reference);
    if (validate === undefined) return [`there is no schema at ${place}`];
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return ["the body is not JSON"];
    }
    if (validate(body)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  #at(place: string): Json {
    return place
      .split("/")
      .reduce((node, part) => node?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], this.#document);
  }
}

/** Whether the path's percent-encoding means something. */
function isReadable(path: string): boolean {
  try {
    decodeURIComponent(path.split("?")[0] ?? "");
    return true;
  } catch {
    return false;
  }
}

function escaped(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}
