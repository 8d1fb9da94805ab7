import { readFileSync, writeFileSync } from "node:fs";

/**
 * `npm run lock`: names in package-lock.json what npm left out of it. A registry that does not carry the packages of
 * other platforms makes npm write a lock without them; elsewhere `npm ci` then refuses the lock, and a Mac gets no
 * binaries. With `--check` nothing is written, and something left out is an error.
 */
interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const FILE = "package-lock.json";
const SYSTEMS: Readonly<Record<string, string>> = {
  android: "android",
  darwin: "darwin",
  freebsd: "freebsd",
  linux: "linux",
  openharmony: "openharmony",
  win32: "win32",
  windows: "win32",
};
const PROCESSORS: Readonly<Record<string, string>> = {
  "64": "x64",
  arm: "arm",
  arm64: "arm64",
  ia32: "ia32",
  loong64: "loong64",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  x64: "x64",
};

const lock = JSON.parse(readFileSync(FILE, "utf8")) as { packages: Record<string, LockedPackage> };
const missing = leftOut(lock.packages);
if (process.argv.includes("--check")) {
  if (missing.size > 0) {
    const [first] = missing.keys();
    process.stderr.write(
      `${FILE} leaves out ${missing.size} packages, ${first} first; complete it with: npm run lock\n`,
    );
    process.exitCode = 1;
  }
} else if (missing.size > 0) {
  const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  lock.packages = Object.fromEntries(packages.sort(([a], [b]) => a.localeCompare(b, "en")));
  writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
}

/** Entries for the optional packages that are named by a package of the lock and found nowhere in it. */
function leftOut(packages: Readonly<Record<string, LockedPackage>>): Map<string, object> {
  const entries = new Map<string, object>();
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (placesSeenFrom(path).some((place) => `${place}node_modules/${name}` in packages)) continue;
      entries.set(`node_modules/${name}`, { version, ...platformOf(name), optional: true });
    }
  }
  return entries;
}

/** Where Node looks for a package's dependencies: its own directory, and each one above that holds packages. */
function placesSeenFrom(path: string): string[] {
  const parts = path.split("/node_modules/");
  const places = parts.map((_, index) => `${parts.slice(0, index + 1).join("/node_modules/")}/`);
  return ["", ...(path === "" ? [] : places)];
}

/** The platform that such a package is for stands in its name: `@swc/core-linux-arm64-musl`. */
function platformOf(name: string): { os?: string[]; cpu?: string[]; libc?: string[] } {
  const words = name.slice(name.lastIndexOf("/") + 1).split("-");
  const os = words.map((word) => SYSTEMS[word]).find((system) => system !== undefined);
  const cpu = words.map((word) => PROCESSORS[word]).find((processor) => processor !== undefined);
  const last = words.at(-1) ?? "";
  const libc = last.startsWith("musl") ? "musl" : last.startsWith("gnu") ? "glibc" : undefined;
  return { ...(cpu && { cpu: [cpu] }), ...(os && { os: [os] }), ...(os === "linux" && libc && { libc: [libc] }) };
}
