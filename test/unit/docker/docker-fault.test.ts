import { expect, test } from "vitest";
import { dockerNetworkFault, dockerResponseFault } from "../../../src/docker/fault.ts";
import type { DockerHost } from "../../../src/docker/host.ts";
import { HttpError } from "../../../src/http/http-error.ts";
import { certificateFailure } from "../../../src/http/tls-failures.ts";
import { ProxyFailure, ProxyRefusal } from "../../../src/http/tunnel.ts";

const name = "tcp://docker:2376";
const tls = { ca: Buffer.from(""), cert: Buffer.from(""), key: Buffer.from(""), rejectUnauthorized: true };
const host: DockerHost = {
  name,
  socketPath: undefined,
  origin: "https://docker:2376",
  basePath: "",
  tls,
  proxy: undefined,
  version: "",
};

const coded = (code: string) => Object.assign(new Error("in Node's words"), { code });
const unverified = (code: string) =>
  new HttpError(code, certificateFailure(code, "in OpenSSL's words"), { hasBadCertificate: true });
const hungUp = (isFirst: boolean) => new HttpError("HTTP_EOF", "EOF", { isFirst });

const unconnected = (code: string) =>
  Object.assign(coded(code), { syscall: "connect", address: "10.0.0.1", port: 2376 });
const NOT_RUNNING = `Cannot connect to the Docker daemon at ${name}. Is the docker daemon running?`;

test.each([
  [
    "a stranger's certificate",
    unverified("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    `error during connect: ${name}: tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  ],
  [
    "an old certificate",
    unverified("CERT_HAS_EXPIRED"),
    `error during connect: ${name}: tls: failed to verify certificate: x509: certificate has expired or is not yet valid`,
  ],
  [
    "a certificate that OpenSSL rejects for a reason without a code",
    unverified("UNSPECIFIED"),
    `error during connect: ${name}: tls: failed to verify certificate: x509: in OpenSSL's words`,
  ],
  [
    "a daemon that closes the connection without a response",
    hungUp(true),
    `the server probably has client authentication (--tlsverify) enabled; check your TLS client certification settings: ${name}: EOF`,
  ],
  [
    "a daemon that refuses the client's certificate in an alert",
    coded("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    `the server probably has client authentication (--tlsverify) enabled; check your TLS client certification settings: ${name}: in Node's words`,
  ],
  [
    "a daemon of TLS 1.2 that refuses the client's certificate in an alert",
    Object.assign(
      new Error(
        "40:error:0A000410:SSL routines:ssl3_read_bytes:reason:../deps/rec_layer_s3.c:918:SSL alert number 40\n",
      ),
      { code: "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" },
    ),
    `the server probably has client authentication (--tlsverify) enabled; check your TLS client certification settings: ${name}: remote error: tls: handshake failure`,
  ],
  [
    "a daemon without TLS",
    coded("ERR_SSL_WRONG_VERSION_NUMBER"),
    `error during connect: ${name}: http: server gave HTTP response to HTTPS client`,
  ],
  [
    "a host without an address",
    Object.assign(coded("ENOTFOUND"), { syscall: "getaddrinfo", hostname: "docker" }),
    `failed to connect to the docker API at ${name}: dial tcp: lookup docker: no such host`,
  ],
  [
    "a proxy that refuses to connect",
    new ProxyRefusal("proxy:3128", "Forbidden", { status: 403, isTemporary: false, login: undefined }),
    `failed to connect to the docker API at ${name}: Forbidden`,
  ],
  [
    "a proxy that cannot be reached",
    new ProxyFailure(
      "proxy:3128",
      "connect",
      Object.assign(coded("ECONNREFUSED"), { syscall: "connect", address: "10.0.0.1", port: 3128 }),
    ),
    `failed to connect to the docker API at ${name}: proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused`,
  ],
  ["a port where nothing listens", unconnected("ECONNREFUSED"), NOT_RUNNING],
  ["a host that drops what is sent to it", unconnected("ETIMEDOUT"), NOT_RUNNING],
  ["a connection that is not made in time", new HttpError("HTTP_CONNECT_TIMEOUT", "timeout"), NOT_RUNNING],
  [
    "a host without a route",
    unconnected("EHOSTUNREACH"),
    "error during connect: dial tcp 10.0.0.1:2376: connect: no route to host",
  ],
  ["a daemon that hangs up later", hungUp(false), `the connection to the docker API at ${name} broke: EOF`],
])("%s", (_, error, message) => {
  expect(dockerNetworkFault(error, host)).toMatchObject({ message });
});

test("without TLS, a closed connection is not blamed on a certificate", () => {
  const fault = dockerNetworkFault(hungUp(true), { ...host, tls: undefined });
  expect(fault).toMatchObject({ message: `the connection to the docker API at ${name} broke: EOF` });
});

test.each([
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "Put the CA of the daemon's certificate into ca.pem in DOCKER_CERT_PATH."],
  ["CERT_HAS_EXPIRED", `Renew the certificate of ${name}, or set the clock of this machine.`],
  ["ERR_TLS_CERT_ALTNAME_INVALID", `Use a name that the certificate of ${name} is for, or give it one for this name.`],
  ["UNSPECIFIED", `Replace the certificate of ${name}, or that of its CA: the message says what is wrong with it.`],
])("the hint on the daemon's certificate fits %s", (code, hint) => {
  expect(dockerNetworkFault(unverified(code), host)).toMatchObject({ code: "EXPORT_DAEMON_TLS", hint });
});

test.each([
  ['{"message":"No such image: run:latest"}', "EXPORT_DAEMON_NOT_FOUND", "No such image: run:latest"],
  ['{"message":"page not found"}', "EXPORT_DAEMON_REFUSED", "page not found"],
  ["404 page not found\n", "EXPORT_DAEMON_REFUSED", "404 page not found"],
  ['{"errors":[{"code":"NAME_UNKNOWN"}]}', "EXPORT_DAEMON_REFUSED", "API returned a 404 but provided no error-message"],
])("only Docker's own error of status 404 says that there is no such image: %j", (body, code, message) => {
  const fault = dockerResponseFault(404, body, name);
  expect(fault).toMatchObject({ code, message: `Error response from daemon: ${message}` });
  expect(fault.hint?.includes("DOCKER_HOST")).toBe(code === "EXPORT_DAEMON_REFUSED");
});

test.each([
  ["new", "Maximum"],
  ["old", "Minimum"],
])("a client version that is too %s is corrected in DOCKER_API_VERSION", (flaw, limit) => {
  const message = `client version 1.99 is too ${flaw}. ${limit} supported API version is 1.41`;
  const { hint } = dockerResponseFault(400, JSON.stringify({ message }), name);
  expect(hint).toBe("Set DOCKER_API_VERSION to a version that the daemon supports, or unset it.");
});

test("a socket that a stopped daemon has left is not called missing", () => {
  const fault = dockerNetworkFault(unconnected("ECONNREFUSED"), {
    ...host,
    socketPath: "/docker.sock",
    tls: undefined,
  });
  expect(fault).toMatchObject({ code: "EXPORT_DAEMON_UNREACHABLE", message: NOT_RUNNING });
});
