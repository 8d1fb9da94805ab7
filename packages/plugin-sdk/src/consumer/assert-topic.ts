import type { Admin } from "@plugboard/kafka";

/** @throws Error when the topic does not exist, may not be read, or nobody can be asked. */
export async function assertTopic(admin: Admin, topic: string): Promise<void> {
  // Harmless when it is connected; when it is not, this tells why.
  await admin.connect();
  const topics = await admin.listTopics();
  // Brokers with ACLs leave out what the asker has no right to.
  if (!topics.includes(topic)) throw new Error(`the topic ${topic} does not exist yet, or may not be read`);
}
