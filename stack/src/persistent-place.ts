import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { SERVICE_NAMES, type ServiceName } from "./choose-source.ts";
import { freePorts, portOrAnother } from "./free-ports.ts";
import type { NativePlace } from "./native-services.ts";
import { isAlive, startOf } from "./owned-directory.ts";

const Ports = z.object({ kafka: z.int(), redis: z.int(), postgres: z.int() });
const Owner = z.object({ pid: z.int(), start: z.int() });

/** A place that is taken by this process until `release`. */
export interface PersistentPlace extends NativePlace {
  release(): void;
}

/**
 * Takes the directory a stack is kept in. The ports are those of the last time, as far as they are free.
 * @throws when another process uses it.
 */
export async function takePersistentPlace(dataDirectory: string): Promise<PersistentPlace> {
  mkdirSync(dataDirectory, { recursive: true });
  const owner = join(dataDirectory, "owner.json");
  take(owner);
  const file = join(dataDirectory, "ports.json");
  const before = read(file, Ports);
  const ports = before === undefined ? await newPorts() : await sameOrOtherPorts(before);
  writeFileSync(file, JSON.stringify(ports));
  return { dataDirectory, ports, release: () => rmSync(owner, { force: true }) };
}

async function newPorts(): Promise<Record<ServiceName, number>> {
  const [kafka = 0, redis = 0, postgres = 0] = await freePorts(SERVICE_NAMES.length);
  return { kafka, redis, postgres };
}

async function sameOrOtherPorts(before: Record<ServiceName, number>): Promise<Record<ServiceName, number>> {
  const { kafka, redis, postgres } = before;
  return {
    kafka: await portOrAnother(kafka),
    redis: await portOrAnother(redis),
    postgres: await portOrAnother(postgres),
  };
}

function take(owner: string): void {
  const mine = JSON.stringify({ pid: process.pid, start: startOf(process.pid) ?? 0 });
  const other = read(owner, Owner);
  if (other !== undefined && !isAlive(other.pid, other.start)) rmSync(owner, { force: true });
  try {
    writeFileSync(owner, mine, { flag: "wx" });
  } catch {
    const pid = read(owner, Owner)?.pid;
    throw new Error(`process ${pid ?? "(unknown)"} already runs the stack of ${dirname(owner)}: stop it first`);
  }
}

/** A half-written or foreign file counts as none. */
function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
