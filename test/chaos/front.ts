import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Several servers behind one address, as a load balancer does it: each connection to the next one that takes it. */
export class Front {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async listen(port: number, backends: readonly number[]): Promise<Front> {
    let turn = 0;
    const server = createServer((client) => {
      const first = turn++;
      front.#keep(client);
      const attempt = (tried: number) => {
        const backend = backends[(first + tried) % backends.length];
        if (backend === undefined || tried === backends.length) return client.destroy();
        const upstream = front.#keep(connect(backend, "127.0.0.1"));
        const next = () => attempt(tried + 1);
        upstream.once("error", next);
        upstream.once("connect", () => {
          upstream.off("error", next);
          client.pipe(upstream).pipe(client);
          client.once("close", () => upstream.destroy());
          upstream.once("close", () => client.destroy());
        });
      };
      attempt(0);
    });
    const front = new Front(server, port);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return front;
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
