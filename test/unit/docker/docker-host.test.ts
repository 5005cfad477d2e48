import { generateKeyPairSync } from "node:crypto";
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

const authority = new CertificateAuthority();
const client = authority.issue("client");
const other = authority.issue("other");
const encrypted = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" },
}).privateKey;

test.each(["tcp", "http", "https"])("certificates turn %s into TLS, unverified without a need of ca.pem", (scheme) => {
  const DOCKER_CERT_PATH = tempTree({ "cert.pem": client.cert, "key.pem": client.key });
  const host = readDockerHost({ DOCKER_HOST: `${scheme}://docker:2376`, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY: "" });
  expect(host.origin).toBe("https://docker:2376");
  const pair = { cert: Buffer.from(client.cert), key: Buffer.from(client.key) };
  expect(host.tls).toEqual({ ...pair, ca: [], rejectUnauthorized: false });
});

test("with DOCKER_TLS_VERIFY, ca.pem adds to the system's authorities", () => {
  const system = new CertificateAuthority().pem;
  const DOCKER_CERT_PATH = tempTree({
    "ca.pem": authority.pem,
    "cert.pem": client.cert,
    "key.pem": client.key,
    "system.pem": system,
  });
  const SSL_CERT_FILE = join(DOCKER_CERT_PATH, "system.pem");
  const variables = { DOCKER_HOST: "tcp://docker:2376", DOCKER_CERT_PATH, DOCKER_TLS_VERIFY: "1", SSL_CERT_FILE };
  const { tls } = readDockerHost(variables);
  expect(tls?.rejectUnauthorized).toBe(true);
  const trusted = String(tls?.ca);
  for (const pem of [system, authority.pem]) expect(trusted).toContain(pem.trim());
});

test.each([
  ["ca.pem", "no certificate in PEM format", { "ca.pem": "junk" }],
  ["cert.pem", "not a certificate in PEM format", { "cert.pem": "junk" }],
  ["cert.pem", "not the certificate of ", { "key.pem": other.key }],
  ["key.pem", "not an unencrypted private key in PEM format", { "key.pem": "junk" }],
  ["key.pem", "not an unencrypted private key in PEM format", { "key.pem": encrypted }],
])("the error of an unusable %s names it: %s", (name, problem, files) => {
  const DOCKER_CERT_PATH = tempTree({
    "ca.pem": authority.pem,
    "cert.pem": client.cert,
    "key.pem": client.key,
    ...files,
  });
  const variables = { DOCKER_HOST: "tcp://docker:2376", DOCKER_CERT_PATH, DOCKER_TLS_VERIFY: "1" };
  const fault = thrownBy(() => readDockerHost(variables));
  expect(fault).toMatchObject({ code: "EXPORT_DAEMON_TLS" });
  expect(String(fault)).toContain(`${join(DOCKER_CERT_PATH, name)}: ${problem}`);
});

test.each([
  ["tcp://docker:2375", "http://proxy.example:3128/"],
  ["https://docker:2376", "http://secure.example:3128/"],
  ["tcp://127.0.0.1:2375", undefined],
  ["tcp://excluded:2375", undefined],
  ["unix:///run/docker.sock", undefined],
])("%s is reached through the proxy %s", (DOCKER_HOST, proxy) => {
  const HTTP_PROXY = "http://proxy.example:3128";
  const https_proxy = "http://secure.example:3128";
  const host = readDockerHost({ DOCKER_HOST, HTTP_PROXY, https_proxy, NO_PROXY: "excluded" });
  expect(host.proxy?.href).toBe(proxy);
});

test("a password in DOCKER_HOST is not shown", () => {
  expect(readDockerHost({ DOCKER_HOST: "tcp://user:p@ss@docker:2375/a" }).name).toBe("tcp://user:xxxxx@docker:2375/a");
  const fault = thrownBy(() => readDockerHost({ DOCKER_HOST: "ssh://user:password@docker" }));
  expect(fault).toMatchObject({ message: "unable to parse docker host `ssh://user:xxxxx@docker`" });
});

test("a socket path that the kernel cannot take is named", () => {
  const path = `/${"d".repeat(107)}`;
  const fault = thrownBy(() => readDockerHost({ DOCKER_HOST: `unix://${path}` }));
  expect(fault).toMatchObject({ code: "EXPORT_DAEMON_HOST", message: `unix socket path "${path}" is too long` });
  expect(readDockerHost({ DOCKER_HOST: `unix://${path.slice(1)}` }).socketPath).toBe(path.slice(1));
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
  const path = join(DOCKER_CERT_PATH, "cert.pem");
  expect(fault).toMatchObject({
    message: `configure TLS from "DOCKER_CERT_PATH=${DOCKER_CERT_PATH}": could not load X509 key pair: open ${path}: no such file or directory`,
  });
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

test("a missing authority is an error that names its file and the variable", () => {
  const fault = thrownBy(() =>
    readDockerHost({ DOCKER_HOST: "tcp://docker:2376", DOCKER_CERT_PATH: "/nowhere", DOCKER_TLS_VERIFY: "1" }),
  );
  expect(fault).toMatchObject({
    message:
      'configure TLS from "DOCKER_CERT_PATH=/nowhere": could not read CA certificate "/nowhere/ca.pem": open /nowhere/ca.pem: no such file or directory',
  });
});
