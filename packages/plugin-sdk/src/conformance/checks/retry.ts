import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

/** What fails for now is tried again, and told. */
export async function retry(stage: Stage): Promise<void> {
  const team = await stage.team("retry");
  stage.vendor.behave(team, "not-now", 1);
  const response = stage.response(team);
  const id = await stage.route(response);
  const put = await stage.outcome(id, ["retry"], "a delivery whose vendor says not now");
  must(put.attempt === 1, `the first attempt was recorded as attempt ${put.attempt}`);
  must(put.retryAt !== null, "the outcome `retry` has to say when the next attempt is due: retryAt is null");
  const { attempt } = await stage.outcome(id, ["delivered"], "a delivery whose vendor says not now, once");
  must(attempt === 2, `the second attempt was recorded as attempt ${attempt}`);
  const effects = await stage.effects(response.id);
  must(effects === 1, `a delivery that was tried twice had ${effects} effects`);
}
