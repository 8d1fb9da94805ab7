import type { Quota } from "@plugboard/contract";

/** Calls of the manager's API as its admin. */
export class ManagerCalls {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Registers a plugin that has a topic and no process; made anew when it is there already. */
  async register(plugin: string): Promise<void> {
    await this.call("PUT", `/v1/plugins/${plugin}`, {
      name: plugin,
      description: "A plugin of the chaos rig.",
      url: "http://127.0.0.1:1",
      version: "1.0.0",
      events: ["onResponse"],
      settings: { type: "object" },
    });
  }

  /** @returns whether the routers know it already; else it is on its way. */
  async enable(team: string, plugin: string, enabled: boolean): Promise<boolean> {
    const answer = await this.call("PUT", `/v1/teams/${team}/plugins/${plugin}`, { enabled });
    return (answer as { routing: string }).routing === "current";
  }

  async limit(team: string, plugin: string, quota: Quota): Promise<void> {
    await this.call("PUT", `/v1/teams/${team}/plugins/${plugin}/quota`, { quota });
  }

  async mint(role: string, subject: string): Promise<string> {
    return ((await this.call("POST", "/v1/tokens", { role, subject })) as { token: string }).token;
  }

  /** @throws on anything but 2xx, with the answer. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${this.#token}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${answer}`);
    return answer === "" ? null : JSON.parse(answer);
  }
}
