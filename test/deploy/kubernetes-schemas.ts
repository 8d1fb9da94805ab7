import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { Deployment, StatefulSet } from "kubernetes-models/apps/v1";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { Service } from "kubernetes-models/v1";

/** Kinds whose schemas are known: compiled by ajv, behind each model's `validate`. */
const MODELS = [Deployment, HorizontalPodAutoscaler, PodDisruptionBudget, ScaledObject, Service, StatefulSet];

interface WrongValue {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
  readonly params: object;
}

/**
 * What the schema of its kind has against a document: wrong values, and names it does not know, which the published schemas
 * let pass as Kubernetes itself would, dropping them. A name that the validation never asked for is one that it does not know.
 */
export function manifestProblems(document: { apiVersion?: string; kind?: string }): string[] {
  const model = MODELS.find(({ apiVersion, kind }) => apiVersion === document.apiVersion && kind === document.kind);
  if (model === undefined) return [`no schema of ${document.apiVersion} ${document.kind}`];
  const unread = new Set<string>();
  // Not of an instance: making one reads every name at the top.
  const wrong = errorsOf(() => model.prototype.validate.call(watched(document, "", unread))).map(
    ({ instancePath, message, keyword, params }) => `${instancePath}: ${message ?? keyword} ${JSON.stringify(params)}`,
  );
  return [...wrong, ...[...unread].map((path) => `${path}: unknown`)];
}

function errorsOf(validate: () => void): readonly WrongValue[] {
  try {
    validate();
    return [];
  } catch (error) {
    if (error instanceof Error && "errors" in error) return error.errors as readonly WrongValue[];
    throw error;
  }
}

/** The same value, whose properties leave `unread` as they are read. */
function watched<T>(value: T, path: string, unread: Set<string>): T {
  if (typeof value !== "object" || value === null) return value;
  const children = new Map(
    Object.entries(value).map(([name, child]) => [name, watched(child, `${path}/${name}`, unread)]),
  );
  if (!Array.isArray(value)) for (const name of children.keys()) unread.add(`${path}/${name}`);
  return new Proxy(value, {
    get: (target, name) => {
      if (typeof name !== "string" || !children.has(name)) return Reflect.get(target, name);
      unread.delete(`${path}/${name}`);
      return children.get(name);
    },
    // Whoever goes through all names takes any.
    ownKeys: (target) => {
      for (const name of children.keys()) unread.delete(`${path}/${name}`);
      return Reflect.ownKeys(target);
    },
  });
}
