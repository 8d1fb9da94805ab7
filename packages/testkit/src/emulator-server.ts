import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Express } from "express";

/** A listening emulator. */
export interface EmulatorServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves an app on 127.0.0.1. Stopping breaks open connections: a client that waits learns it at once. */
export async function serveEmulator(app: Express, port = 0): Promise<EmulatorServer> {
  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
