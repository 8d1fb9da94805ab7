/** Twilio's error codes that a sender of messages meets, with their HTTP status. */
export const TWILIO_ERRORS = {
  20003: 401,
  20404: 404,
  20429: 429,
  21211: 400,
  21266: 400,
  21602: 400,
  21603: 400,
  21604: 400,
  21606: 400,
  21608: 400,
  21610: 400,
  21617: 400,
} as const satisfies Record<number, number>;

export type TwilioErrorCode = keyof typeof TWILIO_ERRORS;
