import { errors } from "undici";
import { expect, test } from "vitest";
import { dockerNetworkFault } from "../../../src/docker/fault.ts";
import type { DockerHost } from "../../../src/docker/host.ts";

const name = "tcp://docker:2376";
const tls = { ca: Buffer.from(""), cert: Buffer.from(""), key: Buffer.from(""), rejectUnauthorized: true };
const host: DockerHost = { name, socketPath: undefined, origin: "https://docker:2376", basePath: "", tls, version: "" };

const coded = (code: string) => Object.assign(new Error("in Node's words"), { code });
const hungUp = (bytesRead: number) =>
  Object.assign(new errors.SocketError("other side closed"), { socket: { bytesRead, bytesWritten: 9 } });

test.each([
  [
    "a stranger's certificate",
    coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    `error during connect: ${name}: tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  ],
  [
    "an old certificate",
    coded("CERT_HAS_EXPIRED"),
    `error during connect: ${name}: tls: failed to verify certificate: x509: certificate has expired or is not yet valid`,
  ],
  [
    "a daemon that hangs up before it has said a word",
    hungUp(0),
    `the server probably has client authentication (--tlsverify) enabled; check your TLS client certification settings: ${name}: other side closed`,
  ],
  ["a daemon that hangs up later", hungUp(1), `the connection to the docker API at ${name} broke: other side closed`],
])("%s", (_, error, message) => {
  expect(dockerNetworkFault(error, host)).toMatchObject({ message });
});

test("without TLS, a daemon that hangs up has not asked for a certificate", () => {
  const fault = dockerNetworkFault(hungUp(0), { ...host, tls: undefined });
  expect(fault).toMatchObject({ message: `the connection to the docker API at ${name} broke: other side closed` });
});
