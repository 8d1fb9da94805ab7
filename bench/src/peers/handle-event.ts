import { sendToSink, sinkUrl } from "../sdk/sink-client.ts";

/** As many as the SDK's own default, PLUGIN_CONCURRENCY. */
export const SINK_CALLS_MAX = 16;

/** What peers do with an event: nothing, or a call to the sink where there is one. @throws when it is refused. */
export const handleEvent: (event: { readonly id: string; readonly team_id: string }) => Promise<void> =
  sinkUrl() === undefined ? async () => {} : async ({ id, team_id: team }) => await sendToSink([{ id, team }]);
