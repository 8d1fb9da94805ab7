import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";

/** How the vendor treats one team: as it should, not at all, or with a refusal. */
export type Treatment = "answers" | "hangs" | "refuses";

/** The vendor of the plugin that runs as a process: counts the effect of each delivery. */
export class EffectSink {
  readonly url: string;
  /** Effects by delivery id. */
  readonly effects = new Map<string, number>();
  /** Deliveries that were refused at least once. */
  readonly refused = new Set<string>();
  readonly #server: Server;
  readonly #treatments = new Map<string, Treatment>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async listen(port: number): Promise<EffectSink> {
    const server = createServer(async (request, response) => {
      const body = await text(request).catch(() => "");
      // Cut off by a plugin that was killed or is stopping: never asked for.
      if (!request.complete) return;
      const { id, team } = JSON.parse(body) as { id: string; team: string };
      switch (sink.#treatments.get(team) ?? "answers") {
        case "hangs":
          return;
        case "refuses":
          sink.refused.add(id);
          response.writeHead(500).end();
          return;
        case "answers":
          sink.effects.set(id, (sink.effects.get(id) ?? 0) + 1);
          response.writeHead(204).end();
      }
    });
    const sink = new EffectSink(server, port);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return sink;
  }

  treat(team: string, treatment: Treatment): void {
    this.#treatments.set(team, treatment);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
