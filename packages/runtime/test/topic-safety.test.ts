import { describe, expect, test } from "@jest/globals";
import { topicFindings } from "../src/index.ts";

const SAFE = {
  "cleanup.policy": "delete",
  "min.insync.replicas": "2",
  "retention.bytes": "-1",
  "retention.ms": "604800000",
  "unclean.leader.election.enable": "false",
};

/** What is found about one topic, as "grade: what". */
function found(replicas: number, brokers: number, settings: Partial<Record<keyof typeof SAFE, string>> = {}): string[] {
  const facts = { topic: "responses", replicas, settings: new Map(Object.entries({ ...SAFE, ...settings })) };
  return topicFindings([facts], brokers).map(({ grade, what }) => `${grade}: ${what}`);
}

describe("settings of topics that lose data", () => {
  test("three replicas of which two must have a record are safe", () => {
    expect(found(3, 3)).toEqual([]);
  });

  test("one broker is its operator's choice, told once however many topics there are", () => {
    expect(found(1, 1, { "min.insync.replicas": "1", "unclean.leader.election.enable": "true" })).toEqual([
      expect.stringMatching(/^risk: there is one broker/),
    ]);
  });

  test.each([
    ["one replica among three brokers", 1, {}, /^unsafe: one replica among 3 brokers/],
    ["an acknowledgement of one replica", 3, { "min.insync.replicas": "1" }, /^unsafe: min.insync.replicas=1 with 3/],
    ["an unclean election", 3, { "unclean.leader.election.enable": "true" }, /^unsafe: unclean.leader.election/],
    ["compaction", 3, { "cleanup.policy": "compact" }, /^unsafe: cleanup.policy=compact: revisions/],
    ["compaction beside deletion", 3, { "cleanup.policy": "compact,delete" }, /^unsafe: cleanup.policy=compact,delete/],
    ["59 minutes of retention", 3, { "retention.ms": "3540000" }, /^unsafe: retention.ms=3540000/],
    ["a bound in bytes", 3, { "retention.bytes": "1073741824" }, /^risk: retention.bytes=1073741824/],
  ])("%s", (_what, replicas, settings, expected) => {
    expect(found(replicas, 3, settings)).toEqual([expect.stringMatching(expected)]);
  });

  test("an hour, and for ever, are long enough", () => {
    for (const kept of ["3600000", "-1"]) expect(found(3, 3, { "retention.ms": kept })).toEqual([]);
  });

  test("all of a topic's are told at once, each with what to do about it in that topic", () => {
    const facts = {
      topic: "plugin.sms",
      replicas: 3,
      settings: new Map(Object.entries({ ...SAFE, "cleanup.policy": "compact", "min.insync.replicas": "1" })),
    };
    const all = topicFindings([facts], 3);
    expect(all.map(({ where }) => where)).toEqual(["topic plugin.sms", "topic plugin.sms"]);
    for (const { remedy } of all) expect(remedy).toContain("--entity-name plugin.sms --add-config ");
  });
});
