import { randomBytes } from "node:crypto";
import type { CheckName } from "./plugin-description.ts";

/** A team's responses are named after it, so that whatever a plugin sends on tells what it is about. */
const RESPONSE = /(check-[a-z-]+-[0-9a-f]{8})-r\d+/g;

/** A team that no other check has. */
export function newTeam(check: CheckName): string {
  return `check-${check}-${randomBytes(4).toString("hex")}`;
}

export function responseOf(team: string, number: number): string {
  return `${team}-r${number}`;
}

/** The suite's responses that a text speaks of, each once. */
export function responsesIn(text: string): string[] {
  return [...new Set([...text.matchAll(RESPONSE)].map(([response]) => response))];
}

export function teamOf(response: string): string {
  return response.replace(/-r\d+$/, "");
}
