import { isDeepStrictEqual } from "node:util";
import { registrationSchema } from "@plugboard/contract";
import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

/** What it serves of itself is what it registered. */
export async function metadata(stage: Stage): Promise<void> {
  await stage.running();
  const alive = await stage.manager.get("/healthz");
  must(alive.status === 200, `GET /healthz answered ${alive.status}, not 200`);
  const { status, body } = await stage.manager.get("/metadata");
  must(
    status === 200 && typeof body === "object" && body !== null,
    `GET /metadata answered ${status}, not 200 and JSON`,
  );
  const { id, ...rest } = body as Record<string, unknown>;
  must(
    id === stage.plugin.id,
    `GET /metadata says that the plugin's id is ${JSON.stringify(id)}, not "${stage.plugin.id}"`,
  );
  const parsed = registrationSchema.safeParse(rest);
  must(
    parsed.success,
    `GET /metadata has to have the registration's fields: ${parsed.error?.issues.map(({ path, message }) => `${path.join("/")}: ${message}`).join("; ")}`,
  );
  const differing = Object.entries(parsed.data ?? {}).filter(
    ([name, value]) => !isDeepStrictEqual(value, stage.manager.registration?.[name as keyof typeof parsed.data]),
  );
  must(
    differing.length === 0,
    `GET /metadata says otherwise than the registration: ${differing.map(([name]) => name).join(", ")}`,
  );
}
