declare module "json-mask" {
  /** Keeps of `value` what a partial-response mask names; null when nothing is left. */
  export default function mask(value: object, fields: string): object | null;
}
