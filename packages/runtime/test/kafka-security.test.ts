import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createCertificateAuthority } from "@plugboard/stack";
import { kafkaSasl, kafkaSettings, kafkaTls, loadSettings, SettingsError } from "../src/index.ts";

const BROKERS = { KAFKA_BROKERS: "broker.example:9093" };
const load = (environment: Record<string, string>) =>
  loadSettings("test", kafkaSettings, { ...BROKERS, ...environment });

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("the settings of a secured Kafka", () => {
  const directory = mkdtempSync(join(tmpdir(), "kafka-security-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  let ca: string;
  let cert: string;
  let key: string;
  let otherKey: string;

  beforeAll(async () => {
    const authority = await createCertificateAuthority("test");
    const [mine, other] = [await authority.issue("mine"), await authority.issue("other")];
    ca = file("ca.pem", authority.certificate);
    cert = file("cert.pem", mine.certificate);
    key = file("key.pem", mine.key);
    otherKey = file("other.pem", other.key);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("none of them mean plain text and no login", () => {
    expect(kafkaTls(load({}))).toBeNull();
    expect(kafkaSasl(load({}))).toBeNull();
  });

  test("TLS alone trusts the authorities that everybody trusts", () => {
    expect(kafkaTls(load({ KAFKA_TLS: "true" }))).toEqual({});
  });

  test("whole ones give the client what stands in the files", () => {
    const settings = load({ KAFKA_TLS: "true", KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key });
    expect(kafkaTls(settings)).toEqual({
      ca: expect.stringContaining("BEGIN CERTIFICATE"),
      cert: expect.stringContaining("BEGIN CERTIFICATE"),
      key: expect.stringContaining("BEGIN PRIVATE KEY"),
    });
  });

  test("half a login is refused, with everything that is missing", () => {
    expect(problemsOf({ KAFKA_SASL_MECHANISM: "scram-sha-512" })).toEqual([
      "KAFKA_SASL_USERNAME is required with KAFKA_SASL_MECHANISM",
      "KAFKA_SASL_PASSWORD is required with KAFKA_SASL_MECHANISM",
    ]);
    expect(problemsOf({ KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "p" })).toEqual([
      "KAFKA_SASL_MECHANISM is required with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
    ]);
  });

  test("a mechanism nobody knows, half a certificate and TLS switched off are told at once", () => {
    expect(problemsOf({ KAFKA_SASL_MECHANISM: "gssapi", KAFKA_TLS_CERT: cert, KAFKA_TLS_CA: ca })).toEqual([
      expect.stringMatching(/^KAFKA_SASL_MECHANISM must be one of plain, scram-sha-256, scram-sha-512/),
      "KAFKA_SASL_USERNAME is required with KAFKA_SASL_MECHANISM",
      "KAFKA_SASL_PASSWORD is required with KAFKA_SASL_MECHANISM",
      "KAFKA_TLS_KEY is required with KAFKA_TLS_CERT",
      'KAFKA_TLS must be "true" for KAFKA_TLS_CA, KAFKA_TLS_CERT to count',
    ]);
  });

  test("files that are not there or hold something else are refused", () => {
    expect(
      problemsOf({ KAFKA_TLS: "true", KAFKA_TLS_CA: "/nowhere/ca.pem", KAFKA_TLS_CERT: key, KAFKA_TLS_KEY: cert }),
    ).toEqual([
      expect.stringMatching(/^KAFKA_TLS_CA must be the path of a readable PEM file with a certificate/),
      expect.stringMatching(/^KAFKA_TLS_CERT must be the path of a readable PEM file with a certificate/),
      expect.stringMatching(/^KAFKA_TLS_KEY must be the path of a readable PEM file with an unencrypted private key/),
    ]);
  });

  test("another certificate's key is refused", () => {
    expect(problemsOf({ KAFKA_TLS: "true", KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: otherKey })).toEqual([
      "KAFKA_TLS_KEY is not the key of the certificate in KAFKA_TLS_CERT",
    ]);
  });
});
