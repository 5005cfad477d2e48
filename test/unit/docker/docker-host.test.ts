import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readDockerHost } from "../../../src/docker/host.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { thrownBy } from "../../support/thrown-by.ts";

test.each([
  ["", "/var/run/docker.sock", "http://localhost", ""],
  ["unix:///run/user/1000/docker.sock", "/run/user/1000/docker.sock", "http://localhost", ""],
  ["tcp://docker:2375", undefined, "http://docker:2375", ""],
  ["tcp://:2375/prefix", undefined, "http://127.0.0.1:2375", "/prefix"],
  ["tcp://docker:2375/prefix/", undefined, "http://docker:2375", "/prefix"],
  ["http://127.0.0.1:1", undefined, "http://127.0.0.1:1", ""],
])("DOCKER_HOST=%s", (DOCKER_HOST, socketPath, origin, basePath) => {
  expect(readDockerHost({ DOCKER_HOST })).toMatchObject({ socketPath, origin, basePath, tls: undefined });
});

test.each(["ssh://host", "npipe:////./pipe/docker", "docker", "tcp://", "tcp://a b"])("rejects %s", (DOCKER_HOST) => {
  const fault = thrownBy(() => readDockerHost({ DOCKER_HOST }));
  expect(fault).toMatchObject({ message: `unable to parse docker host \`${DOCKER_HOST}\`` });
});

test.each([
  ["1", true],
  ["", false],
])("certificates turn TCP into TLS; DOCKER_TLS_VERIFY=%j", (DOCKER_TLS_VERIFY, rejectUnauthorized) => {
  const DOCKER_CERT_PATH = tempTree({ "ca.pem": "authority", "cert.pem": "certificate", "key.pem": "key" });
  const host = readDockerHost({ DOCKER_HOST: "tcp://docker:2376", DOCKER_CERT_PATH, DOCKER_TLS_VERIFY });
  expect(host.origin).toBe("https://docker:2376");
  expect(host.tls).toEqual({
    ca: Buffer.from("authority"),
    cert: Buffer.from("certificate"),
    key: Buffer.from("key"),
    rejectUnauthorized,
  });
});

test.each([{}, { DOCKER_TLS_VERIFY: "" }])(
  "https without certificates trusts the system's authorities (%j)",
  (more) => {
    const SSL_CERT_FILE = join(tempTree({ "ca.pem": new CertificateAuthority().pem }), "ca.pem");
    const host = readDockerHost({ DOCKER_HOST: "https://docker:2376", SSL_CERT_FILE, ...more });
    expect(host.origin).toBe("https://docker:2376");
    expect(host.tls?.rejectUnauthorized).toBe(true);
    expect(host.tls?.ca).toContain(readFileSync(SSL_CERT_FILE, "utf8").trim());
  },
);

test("the error of a missing certificate names it", () => {
  const DOCKER_CERT_PATH = tempTree({ "ca.pem": "", "key.pem": "" });
  const fault = thrownBy(() => readDockerHost({ DOCKER_HOST: "tcp://docker:2376", DOCKER_CERT_PATH }));
  expect(fault).toMatchObject({ message: `open ${join(DOCKER_CERT_PATH, "cert.pem")}: no such file or directory` });
});

test.each([
  [undefined, undefined],
  ["", undefined],
  ["1.41", "1.41"],
  ["v1.41", "1.41"],
  [" v+1.041 ", "1.41"],
  [" v ", undefined],
])("DOCKER_API_VERSION=%s", (DOCKER_API_VERSION, version) => {
  expect(readDockerHost({ DOCKER_API_VERSION }).version).toBe(version);
});

test.each([
  ["foo", ""],
  [" 1 ", ""],
  ["vv1.41", ""],
  ["1.41.0", "invalid minor version: "],
  ["1.", "invalid minor version: "],
  ["v 1.41", "invalid major version: "],
  [".41", "invalid major version: "],
])("rejects DOCKER_API_VERSION=%j", (DOCKER_API_VERSION, flaw) => {
  expect(thrownBy(() => readDockerHost({ DOCKER_API_VERSION }))).toMatchObject({
    code: "EXPORT_DAEMON_HOST",
    message: `invalid API version (${DOCKER_API_VERSION.trim()}): ${flaw}must be formatted <major>.<minor>`,
  });
});
