import type { Component } from "@plugboard/runtime";
import type { z } from "zod";
import type { TeamSettings } from "./team-settings.ts";

/** Keeps the settings in memory as new as the database's, as long as the plugin runs. */
export class SettingsFollower<Schema extends z.ZodObject> implements Component {
  readonly name = "settings-follower";
  readonly #settings: Pick<TeamSettings<Schema>, "follow">;
  readonly #stop = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(settings: Pick<TeamSettings<Schema>, "follow">) {
    this.#settings = settings;
  }

  async start(): Promise<void> {
    this.#work = this.#settings.follow(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }
}
