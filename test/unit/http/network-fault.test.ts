import { expect, test } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { RegistryFault } from "../../../src/http/faults.ts";
import { HttpError } from "../../../src/http/http-error.ts";
import { networkFault } from "../../../src/http/network-faults.ts";
import { certificateFailure } from "../../../src/http/tls-failures.ts";
import { ProxyFailure, ProxyRefusal } from "../../../src/http/tunnel.ts";
import { errorFromWire, errorToWire } from "../../../src/http/upload-task.ts";

const URL_ = new URL("https://reg.example/v2/?token=s3cret");
const SHOWN = 'Patch "https://reg.example/v2/?token=REDACTED": ';

const failure = (code: string, fields: object = {}) =>
  Object.assign(new Error("node's own words\n"), { code, ...fields });

const unverified = (code: string) =>
  new HttpError(code, certificateFailure(code, "in OpenSSL's words"), { hasBadCertificate: true });

test.each([
  [
    failure("ECONNREFUSED", { syscall: "connect", address: "10.0.0.1", port: 443 }),
    "dial tcp 10.0.0.1:443: connect: connection refused",
    true,
  ],
  [
    failure("ECONNREFUSED", { syscall: "connect", address: "2001:db8::1", port: 5000 }),
    "dial tcp [2001:db8::1]:5000: connect: connection refused",
    true,
  ],
  [
    failure("ENOTFOUND", { syscall: "getaddrinfo", hostname: "reg.example" }),
    "dial tcp: lookup reg.example: no such host",
    true,
  ],
  [failure("ECONNRESET", { syscall: "read" }), "read: connection reset by peer", true],
  [failure("EPIPE", { syscall: "write" }), "write: broken pipe", true],
  [new HttpError("HTTP_EOF", "EOF"), "EOF", true],
  [
    unverified("SELF_SIGNED_CERT_IN_CHAIN"),
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    false,
  ],
  [failure("ERR_SSL_WRONG_VERSION_NUMBER"), "http: server gave HTTP response to HTTPS client", false],
  [new HttpError("ERR_TLS_CERT_ALTNAME_INVALID", "own words", { hasBadCertificate: true }), "own words", false],
  [
    unverified("CERT_NOT_YET_VALID"),
    "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
    false,
  ],
  [failure("UND_ERR_INVALID_ARG"), "node's own words", false],
  [failure("ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR"), "node's own words", true],
  [failure("E_OTHER"), "node's own words", true],
])("%o", (error, text, isTemporary) => {
  const fault = networkFault("PATCH", { url: URL_ }, error);
  expect(fault).toBeInstanceOf(RegistryFault);
  expect(fault).toMatchObject({ message: SHOWN + text, isTemporary, destination: "reg.example", cause: error });
});

test.each([
  ["breaks", failure("ECONNRESET", { syscall: "read" }), false],
  ["breaks while it is written to", failure("EPIPE", { syscall: "write" }), false],
  ["ends", new HttpError("HTTP_EOF", "EOF"), false],
  ["delivers no response", new HttpError("HTTP_HEADERS_TIMEOUT", "timeout"), true],
  ["delivers half a response", new HttpError("HTTP_BODY_TIMEOUT", "timeout"), true],
  ["delivers no TLS handshake", new HttpError("HTTP_CONNECT_TIMEOUT", "TLS handshake timeout"), true],
  ["delivers no acknowledgements", failure("ETIMEDOUT", { syscall: "read" }), true],
])("a connection that %s asks to check the host and the way to it", (_, error, isSilent) => {
  const { hint } = networkFault("PATCH", { url: URL_ }, error) as RegistryFault;
  expect(hint).toMatch(/^Check that reg\.example is healthy, and what is on the way to it/);
  expect(/ MTU /.test(hint ?? "")).toBe(isSilent);
});

test("a connection that does not open asks whether the host is up", () => {
  for (const code of ["ECONNREFUSED", "ETIMEDOUT", "HTTP_CONNECT_TIMEOUT"]) {
    const error = failure(code, { syscall: "connect" });
    expect(networkFault("PATCH", { url: URL_ }, error)).toMatchObject({
      hint: expect.stringContaining("reg.example is up, "),
    });
  }
});

test.each([
  [new Fault("EXPORT_LAYER_CHANGED", "file changed")],
  [failure("UND_ERR_REQ_CONTENT_LENGTH_MISMATCH")],
  [new DOMException("stopped", "AbortError")],
  ["a reason"],
])("errors from elsewhere pass unchanged: %s", (error) => {
  expect(networkFault("PATCH", { url: URL_ }, error)).toBe(error);
});

test("a proxy's refusal keeps its login across the border of an upload thread", () => {
  const login = { isGiven: true, schemes: ["NTLM"] };
  const met = new ProxyRefusal("proxy:3128", "Proxy Authentication Required", {
    status: 407,
    isTemporary: false,
    login,
  });
  expect(errorFromWire(structuredClone(errorToWire(met)))).toEqual(met);
});

test("a failure at a proxy is the same when an upload thread meets it", () => {
  const refused = failure("ECONNREFUSED", { syscall: "connect", address: "10.0.0.1", port: 3128 });
  for (const cause of [refused, unverified("UNSPECIFIED")]) {
    const met = new ProxyFailure("proxy.example:3128", "connect", cause);
    const moved = errorFromWire(structuredClone(errorToWire(met)));
    const [here, there] = [met, moved].map((error) => networkFault("PATCH", { url: URL_ }, error));
    expect(here).toBeInstanceOf(RegistryFault);
    expect(there).toEqual(here);
    expect(there).toMatchObject({
      message: expect.stringContaining(": proxyconnect tcp: "),
      hint: expect.stringContaining("the proxy proxy.example:3128"),
    });
  }
});
