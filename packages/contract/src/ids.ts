import { z } from "zod";

/** Longest id this system accepts, in characters: ids become parts of topic names, which Kafka limits to 249. */
export const ID_LENGTH_MAX = 64;

export const ID_PATTERN = /^[a-z0-9-]{1,64}$/;

const id = (what: string) =>
  z.string().regex(ID_PATTERN, `${what} must be 1 to ${ID_LENGTH_MAX} characters of a-z, 0-9 and "-"`);

/** A plugin's id: names its topics, its routes and its database schema. */
export const pluginIdSchema = id("a plugin id");
/** A team's id, as the core knows it. */
export const teamIdSchema = id("a team id");
/** One running process of a plugin. */
export const instanceIdSchema = id("an instance id");
/** An action's name, as it stands in the URL. */
export const actionNameSchema = id("an action name");

export const FORM_ID_LENGTH_MAX = 128;
/** A form's id: the core chooses it, so only its length is limited (characters). */
export const formIdSchema = z.string().min(1).max(FORM_ID_LENGTH_MAX);
export const EVENT_NAME_PATTERN = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** An event's name, such as `onResponse`. */
export const eventNameSchema = z
  .string()
  .regex(EVENT_NAME_PATTERN, "an event name is a letter followed by up to 63 letters, digits or . _ -");
