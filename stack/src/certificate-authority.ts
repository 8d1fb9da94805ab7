import { type CertificateExtension, generate } from "selfsigned";

/** A certificate with its key, PEM; the key is PKCS#8, as Kafka wants it. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Issues certificates for this machine, for tests: they are gone with the process that asked for them. */
export interface CertificateAuthority {
  /** Its own certificate, PEM: what its clients trust. */
  readonly certificate: string;
  /** One for a server at 127.0.0.1 and localhost, which serves as a client's as well. */
  issue(name: string): Promise<Certificate>;
}

const LOOPBACK: CertificateExtension = {
  name: "subjectAltName",
  altNames: [
    { type: 2, value: "localhost" },
    { type: 7, ip: "127.0.0.1" },
  ],
};
const FOR_BOTH_SIDES: CertificateExtension = { name: "extKeyUsage", serverAuth: true, clientAuth: true };
const KEY = { keyType: "ec", algorithm: "sha256" } as const;

/** @param name its common name. */
export async function createCertificateAuthority(name: string): Promise<CertificateAuthority> {
  const own = await generate([{ name: "commonName", value: name }], {
    ...KEY,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return {
    certificate: own.cert,
    issue: async (subject) => {
      const issued = await generate([{ name: "commonName", value: subject }], {
        ...KEY,
        extensions: [
          { name: "basicConstraints", cA: false },
          { name: "keyUsage", digitalSignature: true, critical: true },
          FOR_BOTH_SIDES,
          LOOPBACK,
        ],
        ca: { key: own.private, cert: own.cert },
      });
      return { certificate: issued.cert, key: issued.private };
    },
  };
}
