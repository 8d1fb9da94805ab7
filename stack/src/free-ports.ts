import { createServer } from "node:net";
import getPort from "get-port";

/**
 * Ports are taken below the range from which systems take the ports of outgoing connections (32768 and up), so that a
 * server that is killed and started again finds its port still free.
 */
const LOWEST = 20_000;
const HIGHEST = 31_999;
const CANDIDATES_MAX = 200;

/**
 * Free ports of 127.0.0.1, never the same twice in this process. Another process may still be faster: whoever starts a
 * server on them tries again with others when it finds its port in use.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let index = 0; index < count; index++) {
    const candidates = Array.from(
      { length: CANDIDATES_MAX },
      () => LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1)),
    );
    ports.push(await getPort({ port: candidates, host: "127.0.0.1", reserve: true }));
  }
  return ports;
}

/** The wanted port if it is free, another if not. */
export async function portOrAnother(wanted: number): Promise<number> {
  return (await isFree(wanted)) ? wanted : ((await freePorts(1))[0] as number);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
