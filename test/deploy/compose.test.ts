import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DEVELOPMENT_COMPOSE_FILE, projectRoot } from "@plugboard/stack";
import { parse } from "yaml";
import { makeSecrets } from "../../apps/manager/src/adapters/secret-directory.ts";
import { type ComposeService, readCompose, schemaProblems } from "./compose-file.ts";
import { READERS, SECRETS_MOUNT, unknownVariables, valuesOf, withSecretsIn } from "./compose-settings.ts";
import { imageOf, stagesOf } from "./docker-stages.ts";

const root = projectRoot();
const read = (path: string) => readFileSync(join(root, path), "utf8");
const compose = readCompose(join(root, "docker-compose.yml"));
const services = Object.entries(compose.services);
const stages = stagesOf(read("Dockerfile"));
const secrets = join(mkdtempSync(join(tmpdir(), "compose-")), "secrets");
const own = services.filter(([, service]) => service.build !== undefined);

/** A one-shot service: others wait for its end, or it is only run by hand. */
const endsByItself = (name: string) =>
  compose.services[name]?.profiles !== undefined ||
  services.some(([, { depends_on = {} }]) => depends_on[name]?.condition === "service_completed_successfully");
const image = ({ build }: ComposeService) => (build === undefined ? null : imageOf(stages, build.target));
const hasHealthCheck = (service: ComposeService) =>
  service.healthcheck?.disable !== true &&
  (service.healthcheck?.test !== undefined || (image(service)?.healthcheck ?? null) !== null);
const pluginsOfSecrets = () => (compose.services.secrets?.command ?? []).slice(3);

beforeAll(async () => {
  await makeSecrets(secrets, pluginsOfSecrets());
});
afterAll(() => rmSync(join(secrets, ".."), { recursive: true, force: true }));

describe.each(["docker-compose.yml", DEVELOPMENT_COMPOSE_FILE])("%s", (path) => {
  test("is what the compose specification's schema allows", () => {
    expect(schemaProblems(readCompose(join(root, path)))).toEqual([]);
  });
});

test("the schema finds what is wrong: an unknown key, a condition that does not exist, a value of the wrong kind", () => {
  const wrong = {
    services: {
      a: { image: "a:1", helthcheck: {} },
      b: { image: "b:1", depends_on: { a: { condition: "service_ready" } } },
      c: { image: "c:1", healthcheck: { test: "x", retries: "often" }, mem_limit: ["1g"] },
    },
  };
  const places = schemaProblems(wrong).map((problem) => problem.split(" ")[0]);
  expect(places).toEqual(
    expect.arrayContaining(["/services/a", "/services/b/depends_on/a/condition", "/services/c/mem_limit"]),
  );
});

describe("start order", () => {
  test.each(services)("%s waits only for services that are there and say what it waits for", (_name, service) => {
    for (const [target, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = compose.services[target];
      expect(other).toBeDefined();
      if (condition === "service_healthy")
        expect([target, hasHealthCheck(other as ComposeService)]).toEqual([target, true]);
      if (condition === "service_completed_successfully") expect(other?.restart ?? "no").toBe("no");
    }
  });

  test("has no circle", () => {
    const done = new Set<string>();
    for (let left = services.length; done.size < services.length && left > 0; left -= 1)
      for (const [name, { depends_on = {} }] of services)
        if (Object.keys(depends_on).every((target) => done.has(target))) done.add(name);
    expect(done.size).toBe(services.length);
  });

  test.each(services)("%s says whether it is healthy, or ends by itself", (name, service) => {
    expect(hasHealthCheck(service) || endsByItself(name)).toBe(true);
  });

  test("managers wait for the migrations, routers for the topic of responses, everything else for the gateway", () => {
    const conditions = (name: string) => compose.services[name]?.depends_on ?? {};
    for (const name of ["manager-1", "manager-2"])
      expect(conditions(name).migrate?.condition).toBe("service_completed_successfully");
    expect(conditions("router").topics?.condition).toBe("service_completed_successfully");
    for (const name of ["router", "google-sheets", "sms", "validator", "collect-core"])
      expect(conditions(name).gateway?.condition).toBe("service_healthy");
  });
});

describe("images and limits", () => {
  test.each(services)("%s runs an image of an exact version", (_name, service) => {
    expect(service.image).toMatch(/^[a-z0-9/-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$/);
    if (service.build === undefined) return;
    expect(service.image).toMatch(
      new RegExp(`^plugboard/[a-z-]+:${JSON.parse(read("apps/manager/package.json")).version}$`),
    );
    expect(service.image).toContain(`/${service.build.target}:`);
    expect(stages.map(({ name }) => name)).toContain(service.build.target);
  });

  test.each(services)("%s has a limit of memory, bounded logs and no rights to gain", (_name, service) => {
    expect(service).toMatchObject({ mem_limit: expect.stringMatching(/^\d+[mg]$/), logging: { driver: "json-file" } });
    expect(service).toMatchObject({ security_opt: ["no-new-privileges:true"] });
  });

  test.each(own)("%s, one of ours, keeps no privileges and writes nowhere but in memory", (name, service) => {
    expect(service).toMatchObject({ cap_drop: ["ALL"], read_only: true });
    // Making the secrets takes a user who may hand files over; nothing is reachable from there.
    if (name === "secrets") expect(service.network_mode).toBe("none");
    else expect(service.user).toBeUndefined();
  });

  test("there is a service for each image", () => {
    const targets = new Set(own.map(([, { build }]) => build?.target));
    expect([...targets].sort()).toEqual(
      stages
        .filter(({ steps }) => steps.some(({ kind }) => kind === "cmd"))
        .map(({ name }) => name)
        .sort(),
    );
  });
});

describe("the environment of the processes", () => {
  const given = own.filter(([name]) => name !== "secrets");

  test.each(given)("%s is given what its process knows, and all that it requires", (name, service) => {
    const reader = READERS[name];
    if (reader === undefined) throw new Error(`${name} is not among the readers of this test`);
    const environment = service.environment ?? {};
    expect(unknownVariables(reader, environment)).toEqual([]);
    expect(() => reader.load({ ...image(service)?.environment, ...withSecretsIn(secrets, environment) })).not.toThrow();
  });

  test("a variable that no process knows, and a secret under a wrong name, are found", () => {
    const reader = READERS.router as (typeof READERS)[string];
    expect(unknownVariables(reader, { REDIS_ULR: "x", MANAGER_TOKEN_FILE: "x", EVENT_SOURCE_FILE: "x" })).toEqual([
      "REDIS_ULR",
      "EVENT_SOURCE_FILE",
    ]);
  });

  test.each(services)("%s reaches every service that its environment names", (_name, service) => {
    const networks = (of: ComposeService | undefined) => of?.networks ?? ["default"];
    const text = valuesOf(service, secrets).join(" ");
    for (const [other, target] of services) {
      if (target === service || !new RegExp(`(^|[/@ ])${other}:\\d`, "m").test(text)) continue;
      const shared = networks(service).filter((network) => networks(target).includes(network));
      expect([other, shared.length > 0]).toEqual([other, true]);
    }
  });

  test("plugins tell the manager the address under which they are reached", () => {
    for (const id of pluginsOfSecrets()) {
      const service = compose.services[id];
      const port = image(service as ComposeService)?.environment.PORT;
      expect(service?.environment?.PLUGIN_URL).toBe(`http://${id}:${port}`);
    }
  });
});

describe("secrets", () => {
  test("are all made by the service that makes them, and all used", async () => {
    const used = services.flatMap(([, service]) => service.secrets ?? []);
    expect([...new Set(used)].sort()).toEqual(Object.keys(compose.secrets).sort());
    // The admin's own token is for people; the rest of the directory is what the containers get.
    expect((await readdir(secrets)).sort()).toEqual(Object.keys(compose.secrets).sort());
    for (const [name, { file }] of Object.entries(compose.secrets)) expect(file).toBe(`deploy/secrets/${name}`);
  });

  test.each(services)("%s gets those that its environment names, and no others", (_name, service) => {
    const named = Object.values(service.environment ?? {}).filter((value) => value.startsWith(SECRETS_MOUNT));
    expect(named.map((path) => path.slice(SECRETS_MOUNT.length)).sort()).toEqual([...(service.secrets ?? [])].sort());
  });

  test.each(services)("%s has none in its environment itself", (_name, service) => {
    const names = Object.keys(service.environment ?? {}).filter((name) => !name.endsWith("_FILE"));
    expect(names.filter((name) => /TOKEN|PASSWORD|SIGNING_KEY|PRIVATE_KEY/.test(name))).toEqual([]);
  });

  test("npm run secrets makes the same ones", () => {
    const { scripts } = JSON.parse(read("package.json"));
    expect(scripts.secrets.split("make-secrets.ts ")[1].split(" ")).toEqual(["deploy/secrets", ...pluginsOfSecrets()]);
  });
});

describe("what the machine sees", () => {
  const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port] as const));

  test.each(published)("%s is offered to this machine only, unless told otherwise: %s", (_name, port) => {
    expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test("no two services want one port", () => {
    const hosts = published.map(([, port]) => port.split(":")[1]);
    expect(new Set(hosts).size).toBe(hosts.length);
  });

  test.each(services)(
    "%s mounts files that are in the repository and volumes that are declared",
    (_name, { volumes = [] }) => {
      for (const volume of volumes) {
        const source = volume.split(":")[0] ?? "";
        expect([source, source.startsWith("./") ? existsSync(join(root, source)) : source in compose.volumes]).toEqual([
          source,
          true,
        ]);
      }
    },
  );
});

describe("Prometheus and Grafana", () => {
  interface Scrape {
    readonly job_name: string;
    readonly static_configs?: readonly { readonly targets: readonly string[] }[];
    readonly dns_sd_configs?: readonly { readonly names: readonly string[]; readonly port: number }[];
  }
  const prometheus = parse(read("deploy/prometheus/prometheus.yml")) as {
    readonly scrape_configs: readonly Scrape[];
    readonly rule_files: readonly string[];
  };
  const targets = prometheus.scrape_configs.flatMap((job) => [
    ...(job.static_configs ?? []).flatMap((config) => config.targets),
    ...(job.dns_sd_configs ?? []).flatMap(({ names, port }) => names.map((name) => `${name}:${port}`)),
  ]);

  test("every process of ours is asked for its metrics, at the port it listens on", () => {
    const expected = own
      .filter(([name]) => !endsByItself(name))
      .map(([name, service]) => `${name}:${image(service)?.environment.PORT}`);
    expect(targets).toEqual(expect.arrayContaining(expected));
    const { OPERATIONS_PORT } = compose.services.gateway?.environment ?? {};
    expect(targets).toContain(`gateway:${OPERATIONS_PORT}`);
    for (const target of targets)
      expect([...Object.keys(compose.services), "127.0.0.1"]).toContain(target.split(":")[0]);
  });

  test("the jobs have the names that the alert rules ask for", () => {
    const asked = [...read("deploy/prometheus/alerts.yml").matchAll(/job=~?"([^"]+)"/g)].flatMap(([, names]) =>
      (names ?? "").split("|"),
    );
    expect(asked.length).toBeGreaterThan(0);
    const jobs = prometheus.scrape_configs.map((job) => job.job_name);
    expect([...new Set(asked)].filter((name) => !jobs.includes(name))).toEqual([]);
  });

  test("the rules are where Prometheus looks for them", () => {
    for (const file of prometheus.rule_files) expect(existsSync(join(root, "deploy/prometheus", file))).toBe(true);
  });

  test("Grafana finds its data and its dashboards where they are", () => {
    const { datasources } = parse(read("deploy/grafana/provisioning/datasources/prometheus.yml"));
    expect(datasources).toHaveLength(1);
    const { hostname, port } = new URL(datasources[0].url);
    expect(compose.services[hostname]?.ports?.[0]).toMatch(new RegExp(`:${port}$`));
    const { providers } = parse(read("deploy/grafana/provisioning/dashboards/plugboard.yml"));
    const mounted = compose.services.grafana?.volumes?.map((volume) => volume.split(":")[1]);
    expect(mounted).toContain(providers[0].options.path);
    const dashboard = JSON.parse(read("deploy/grafana/dashboards/plugboard.json"));
    const uids = [...JSON.stringify(dashboard).matchAll(/"datasource":\{[^}]*"uid":"([^"]+)"/g)].map(
      ([, uid]) => uid ?? "",
    );
    // A dashboard names its source by its uid, or by a variable that Grafana fills in.
    expect(uids.filter((uid) => uid !== datasources[0].uid && !uid.startsWith("$") && uid !== "-- Grafana --")).toEqual(
      [],
    );
  });
});
