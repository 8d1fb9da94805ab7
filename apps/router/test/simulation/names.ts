/** Topics, by the names they have when no setting says otherwise. */
export const EVENTS_TOPIC = "responses";
export const DEAD_LETTERS_TOPIC = "responses.dlq";
export const DELIVERIES_TOPIC = "deliveries";
export const PARKED_TOPIC = "router.parked";
/** The routers' consumer group. */
export const GROUP = "plugboard-router";
/** What the client calls itself that returns parked copies. */
export const RETURN_CLIENT = "plugboard-router-return";
