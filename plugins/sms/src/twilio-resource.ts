import { env, resource, setting } from "@plugboard/plugin-sdk";
import { createTwilioSender, type SendMessage } from "./twilio-sender.ts";

/** Twilio, with each team's own credentials: nothing is connected before a text is sent, so nothing can be missing. */
export const twilio = resource({
  prefix: "TWILIO",
  settings: {
    BASE_URL: setting(env.url("http", "https").optional(), "Where Twilio's API is; Twilio's own host when unset."),
  },
  open: ({ BASE_URL: baseUrl }): SendMessage => createTwilioSender(baseUrl),
});
