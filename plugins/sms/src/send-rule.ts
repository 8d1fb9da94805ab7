import { type Context, type Delivery, delivered, type Outcome, rejected, retry, unknown } from "@plugboard/plugin-sdk";
import { renderMessage } from "./message-template.ts";
import { readRecipient } from "./phone-number.ts";
import { claimSend, releaseClaim, settleSent, settleUnknown } from "./send-claims.ts";
import type { SmsRule, SmsSettings } from "./settings.ts";
import type { twilio } from "./twilio-resource.ts";

/** What became of one rule. Reasons hold no phone number and no message text. */
export type RuleResult =
  | { readonly kind: "sent" | "sent-before" | "no-number"; readonly rule: string }
  | { readonly kind: "refused" | "unknown"; readonly rule: string; readonly reason: string }
  | { readonly kind: "not-now"; readonly rule: string; readonly reason: string; readonly afterMs?: number };

/** When the response's other delivery should be done. */
const BUSY_RETRY_MS = 15_000;

/** Sends one rule's text for a response, at most once. */
export async function sendRule(
  rule: SmsRule,
  responseId: string,
  { id, team, event, data }: Delivery,
  { db, settings, resources }: Context<SmsSettings, { twilio: typeof twilio }>,
): Promise<RuleResult> {
  const answers = (data.answers ?? {}) as Readonly<Record<string, unknown>>;
  const recipient = readRecipient(Object.hasOwn(answers, rule.to) ? answers[rule.to] : undefined, rule.defaultCountry);
  if (recipient.kind === "none") return { kind: "no-number", rule: rule.id };
  if (recipient.kind === "invalid") {
    return { kind: "refused", rule: rule.id, reason: `the answer "${rule.to}" ${recipient.reason}` };
  }
  const response = { id: responseId, form: event.formId, revision: event.revision, collector: data.collector };
  const message = renderMessage(rule.template, { answers, response, team });
  if (message.kind === "refused") return { ...message, rule: rule.id };

  const key = { team, response: responseId, rule: rule.id };
  const claim = await claimSend(db, key, id);
  if (claim.kind === "sent") return { kind: "sent-before", rule: rule.id };
  if (claim.kind === "unknown") return { ...claim, rule: rule.id };
  if (claim.kind === "busy") {
    return { kind: "not-now", rule: rule.id, reason: "another delivery is sending it", afterMs: BUSY_RETRY_MS };
  }
  const { accountSid, authToken, from } = settings;
  const result = await resources.twilio({ accountSid, authToken, from, to: recipient.e164, body: message.text });
  switch (result.kind) {
    case "sent":
      await settleSent(db, key, result.sid);
      return { kind: "sent", rule: rule.id };
    case "unknown":
      await settleUnknown(db, key, result.reason);
      return { ...result, rule: rule.id };
    case "refused":
    case "not-now":
      await releaseClaim(db, key, id);
      return { ...result, rule: rule.id };
    default:
      return result satisfies never;
  }
}

/**
 * One outcome for all rules of a delivery. While any may still succeed it is retried: what was sent is known by its
 * claim and not sent again, and what was refused or is unknown is told again at the end.
 */
export function outcomeOf(results: readonly RuleResult[]): Outcome {
  const of = <Kind extends RuleResult["kind"]>(kind: Kind) =>
    results.filter((result): result is Extract<RuleResult, { kind: Kind }> => result.kind === kind);
  const told = (list: readonly { readonly rule: string; readonly reason: string }[]) =>
    list.map(({ rule, reason }) => `rule ${rule}: ${reason}`).join("; ");
  const notNow = of("not-now");
  const uncertain = of("unknown");
  const refused = of("refused");
  if (notNow.length > 0) {
    const waits = notNow.flatMap(({ afterMs }) => (afterMs === undefined ? [] : [afterMs]));
    return retry(told(notNow), waits.length === 0 ? undefined : Math.max(...waits));
  }
  if (uncertain.length > 0) return unknown(told([...uncertain, ...refused]));
  if (refused.length > 0) return rejected(told(refused));
  return delivered();
}
