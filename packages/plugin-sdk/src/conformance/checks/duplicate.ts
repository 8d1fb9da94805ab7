import { DELIVERY_HEADER } from "@plugboard/contract";
import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

/** Copies of a delivery, at once and later, from another lane and without the identity's header, have no effect. */
export async function duplicate(stage: Stage): Promise<void> {
  const team = await stage.team("duplicate");
  const response = stage.response(team);
  const id = await stage.route(response);
  await stage.route(response);
  await stage.outcome(id, ["delivered"], "the first of two copies");
  await copies(stage, id, 1, "the second of two copies");
  await stage.route(response, {}, "bulk");
  await copies(stage, id, 2, "a copy in the bulk lane");
  await stage.route(response, { headers: { [DELIVERY_HEADER.id]: "" } });
  await copies(stage, id, 3, `a copy without a usable ${DELIVERY_HEADER.id}, whose identity is derived`);
  const effects = await stage.effects(response.id);
  must(effects === 1, `four copies of one delivery had ${effects} effects`);
  const delivered = stage.outcomes(id).filter(({ outcome }) => outcome === "delivered").length;
  must(delivered === 1, `four copies of one delivery were recorded as delivered ${delivered} times`);
}

async function copies(stage: Stage, id: string, count: number, which: string): Promise<void> {
  const found = () => stage.outcomes(id).filter(({ outcome }) => outcome === "duplicate").length;
  await stage.eventually(
    () =>
      `${which} was not recorded as duplicate; recorded: ${stage
        .outcomes(id)
        .map(({ outcome }) => outcome)
        .join(", ")}`,
    () => (found() >= count ? true : undefined),
  );
}
