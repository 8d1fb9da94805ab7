import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

/** It registers as the contract says, beats, and registers again when the manager has forgotten it, however often that fails. */
export async function registration(stage: Stage): Promise<void> {
  const { manager, plugin } = stage;
  await stage.running();
  const [refused] = manager.refused;
  must(refused === undefined, `the manager would refuse its ${refused?.call}: ${refused?.why}`);
  const beats = manager.heartbeats.length;
  await stage.eventually(
    `it does not send heartbeats every third of leaseSeconds (${manager.leaseSeconds}): PUT …/instances/{instance}`,
    () => (manager.heartbeats.length >= beats + 2 ? true : undefined),
  );
  const before = manager.registrations.length;
  manager.failures.register.push(503, 503);
  manager.failures.heartbeat.push(404);
  await stage.eventually(
    "it did not register again after a heartbeat was answered 404 and two registrations 503",
    () => (manager.registrations.length > before ? true : undefined),
  );
  const problem = keyProblem(manager.registration?.settings, manager.registration?.publicKey);
  must(problem === null, `${plugin.id}: ${problem}`);
}

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

function keyProblem(settings: unknown, publicKey: Record<string, unknown> | null | undefined): string | null {
  const hasSecrets = JSON.stringify(settings).includes('"writeOnly":true');
  if (publicKey == null) return hasSecrets ? "settings have secrets, so publicKey is required" : null;
  if (PRIVATE_MEMBERS.some((member) => member in publicKey)) return "publicKey must be the public part only";
  return publicKey.alg === undefined ? 'publicKey must have "alg"' : null;
}
