import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { dial, secure } from "../../../src/http/dial.ts";
import { hostMismatch, type NamedCertificate } from "../../../src/http/server-identity.ts";
import { tlsSettings } from "../../../src/http/tls.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const authority = new CertificateAuthority();

function issuedFor(...names: readonly string[]): NamedCertificate {
  return new X509Certificate(authority.issue(...names).cert).toLegacyObject();
}

test.each([
  ["reg.internal", "reg.internal"],
  ["reg.internal", "REG.internal"],
  ["reg.internal", "*.internal"],
  ["reg_1.internal", "*.internal"],
  ["a.b.internal", "*.b.internal"],
  ["10.0.0.1", "10.0.0.1"],
])("%s is a host of a certificate for %s", (host, name) => {
  expect(hostMismatch(host, issuedFor("first.example", name))).toBeUndefined();
});

// Facts of Go's crypto/x509, as are the texts.
test.each([
  ["reg.internal", "internal"],
  ["internal", "*"],
  ["internal", "*.internal"],
  ["a.b.internal", "*.internal"],
  ["reg.internal", "r*.internal"],
  ["reg.internal", "*.*"],
  ["a.b.internal", "a.*.internal"],
  ["reg.internal", "reg.internal."],
  ["reg.internal", "reg,internal"],
])("%s is no host of a certificate for %s", (host, name) => {
  expect(hostMismatch(host, issuedFor("first.example", name))).toMatch(
    /^x509: certificate is valid for first\.example/,
  );
});

test.each<[string, NamedCertificate, string]>([
  ["reg.test", issuedFor("a.test", "b.test"), "x509: certificate is valid for a.test, b.test, not reg.test"],
  ["10.0.0.1", issuedFor("10.0.0.2"), "x509: certificate is valid for 10.0.0.2, not 10.0.0.1"],
  [
    "10.0.0.1",
    issuedFor("a.test"),
    "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
  ],
  ["reg.test", issuedFor("10.0.0.1"), "x509: certificate is not valid for any names, but wanted to match reg.test"],
])("names what the certificate is for: %s", (host, certificate, text) => {
  expect(hostMismatch(host, certificate)).toBe(text);
});

function named(CN: string, subjectaltname?: string): NamedCertificate {
  return { subject: { C: "", ST: "", L: "", O: "", OU: "", CN }, ...(subjectaltname && { subjectaltname }) };
}

test("the Common Name is no name of the host", () => {
  const text = "x509: certificate relies on legacy Common Name field, use SANs instead";
  expect(hostMismatch("reg.test", named("reg.test"))).toBe(text);
  expect(hostMismatch("reg.test", named("*.test"))).toBe(text);
  expect(hostMismatch("reg.test", named("reg.test", "DNS:a.test"))).toMatch(/valid for a\.test, not reg\.test$/);
});

test("addresses of version 6 are compared whatever their spelling", () => {
  const certificate = named("", "DNS:a.test, IP Address:FD00:0:0:0:0:0:0:1");
  expect(hostMismatch("fd00::1", certificate)).toBeUndefined();
  expect(hostMismatch("fd00::2", certificate)).toMatch(/valid for fd00::1, not fd00::2$/);
});

test("a name within a name with odd characters is none", () => {
  const certificate = named("", String.raw`DNS:"a\", DNS:reg.test, DNS:b", DNS:c.test`);
  expect(hostMismatch("reg.test", certificate)).toMatch(/valid for c\.test, not reg\.test$/);
});

test("connections are checked", async () => {
  const server = createServer(authority.issue("*.internal")).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const left = () => ({ timeoutMs: 20_000, signal: new AbortController().signal });
  const settings = tlsSettings({ ca: authority.pem, rejectUnauthorized: true });
  const connect = (host: string) => secure(() => dial("127.0.0.1", port, left()), { host, port }, settings, left);
  (await connect("reg.internal")).destroy();
  expect(await rejectionOf(connect("reg.other"))).toMatchObject({
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
    message: "tls: failed to verify certificate: x509: certificate is valid for *.internal, not reg.other",
  });
});
