/** The three services of a stack. */
export const SERVICE_NAMES = ["kafka", "redis", "postgres"] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** Where a service comes from. */
export type Source =
  | { readonly kind: "environment"; readonly variable: string; readonly address: string }
  | { readonly kind: "container" }
  | { readonly kind: "native" };

const VARIABLES: Readonly<Record<ServiceName, string>> = {
  kafka: "KAFKA_BROKERS",
  redis: "REDIS_URL",
  postgres: "DATABASE_URL",
};

/**
 * For each service the first that applies: the address in the environment, a container engine that answers, the
 * machine itself. The engine is asked at most once, and only when a service is left for it.
 */
export async function chooseSources(
  environment: NodeJS.ProcessEnv,
  engineAnswers: () => Promise<boolean>,
): Promise<Record<ServiceName, Source>> {
  const fromEnvironment = (name: ServiceName): Source | undefined => {
    const variable = VARIABLES[name];
    const address = environment[variable];
    return address === undefined || address === "" ? undefined : { kind: "environment", variable, address };
  };
  const named = SERVICE_NAMES.map(fromEnvironment);
  const rest: Source =
    named.includes(undefined) && (await engineAnswers()) ? { kind: "container" } : { kind: "native" };
  const [kafka = rest, redis = rest, postgres = rest] = named;
  return { kafka, redis, postgres };
}
