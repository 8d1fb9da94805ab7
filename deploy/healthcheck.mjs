// The images' health check: exit status 0 while the process of this container is ready. It has no dependencies and is
// not built, so that it says the truth about an image whose packages are broken as well.
const DEADLINE_MS = 4_000;
// biome-ignore lint/suspicious/noUndeclaredEnvVars: no task of turbo runs this file
const url = `http://127.0.0.1:${process.env.PORT}/readyz`;

try {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  process.stdout.write(`${await response.text()}\n`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  process.stdout.write(`${url}: ${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
