/** Topics, by the names they have when no setting says otherwise. */
export const EVENTS_TOPIC = "responses";
export const DEAD_LETTERS_TOPIC = "responses.dlq";
export const DELIVERIES_TOPIC = "deliveries";
export const PARKED_TOPIC = "router.parked";
