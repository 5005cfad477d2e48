import { spawnSync } from "node:child_process";
import { randomUUID, X509Certificate } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rootCertificates } from "node:tls";
import { beforeAll, expect, test } from "vitest";
import { readTrustedRoots, trustedAuthorities } from "../../../src/http/tls.ts";
import { sharedDirectory } from "../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";

const NAMES = ["bundle", "second", "system", "own", "dir", "other"] as const;
const pems = Object.fromEntries(NAMES.map((name) => [name, new CertificateAuthority().pem.trim()] as const));

const root = sharedDirectory();

const FILES: Readonly<Record<string, string>> = {
  "bundle.pem": `# comment\n${pems.bundle}\n`,
  "second.pem": pems.second ?? "",
  "system/system.pem": `${pems.system}\n${pems.bundle}\n`,
  "own.pem": `-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n${pems.own}\n`,
  "dir/any.name": pems.dir ?? "",
  "dir/README": "not a certificate",
  "dir/key.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  "dir/sub/deeper.pem": pems.second ?? "",
  "other/linked.pem": pems.other ?? "",
};
beforeAll(() => {
  spawnSync("mkfifo", [join(root, "fifo")]);
  for (const [path, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  symlinkSync("linked.pem", join(root, "other", "0123abcd.0"));
  symlinkSync(join(root, "own.pem"), join(root, "other", "elsewhere.pem"));
});

const at = (path: string) => join(root, path);
const PLACES = {
  bundles: ["missing.pem", "bundle.pem", "second.pem"].map(at),
  directories: ["missing", "system"].map(at),
};

// Facts of Go 1.26, crypto/x509/root_unix.go and its test.
test.each<[string, Record<string, string>, readonly string[]]>([
  ["the first bundle there is, and the system's directories", {}, ["bundle", "system"]],
  [
    "a file instead of the bundle, and still the system's directories",
    { SSL_CERT_FILE: at("own.pem") },
    ["own", "system", "bundle"],
  ],
  ["no FIFO, for whose writer the process would wait", { SSL_CERT_FILE: at("fifo"), SSL_CERT_DIR: at("dir") }, ["dir"]],
  [
    "directories instead of the system's",
    { SSL_CERT_DIR: `${at("dir")}:${at("other")}` },
    ["bundle", "dir", "own", "other"],
  ],
  ["both", { SSL_CERT_FILE: at("own.pem"), SSL_CERT_DIR: at("dir") }, ["own", "dir"]],
  ["a file that is not there", { SSL_CERT_FILE: at("missing.pem"), SSL_CERT_DIR: at("dir") }, ["dir"]],
  ["a file that is a directory", { SSL_CERT_FILE: at("dir"), SSL_CERT_DIR: at("dir") }, ["dir"]],
  ["empty variables, which are none", { SSL_CERT_FILE: "", SSL_CERT_DIR: "" }, ["bundle", "system"]],
])("trusts %s", (_what, environment, names) => {
  const roots = readTrustedRoots(environment, PLACES) ?? "";
  const found = roots.split(/(?<=-----END CERTIFICATE-----)\n/);
  expect(found.toSorted()).toEqual(names.map((name) => pems[name]).toSorted());
});

const lines = pems.own?.split("\n") ?? [];
test.each<[string, string]>([
  ["after one that is cut off", [...lines.slice(0, 3), ...lines].join("\n")],
  ["with blank lines", lines.join("\n\n")],
  ["with line ends of Windows", lines.join("\r\n")],
  ["with blanks at the ends of lines", lines.map((line) => `${line} `).join("\n")],
  ["on three lines", [lines.at(0), lines.slice(1, -1).join(""), lines.at(-1)].join("\n")],
])("trusts a certificate %s", (_what, text) => {
  const directory = join(root, randomUUID());
  mkdirSync(directory);
  writeFileSync(join(directory, "ca.pem"), text);
  const roots = readTrustedRoots({ SSL_CERT_FILE: at("missing.pem"), SSL_CERT_DIR: directory }, PLACES) ?? "";
  expect(new X509Certificate(roots).raw).toEqual(new X509Certificate(pems.own ?? "").raw);
});

test("without any roots, Node's apply, unless a variable names others", () => {
  const nothing = { bundles: [at("missing.pem")], directories: [at("missing")] };
  expect(trustedAuthorities({}, nothing)).toBe(rootCertificates.join("\n"));
  expect(trustedAuthorities({ SSL_CERT_FILE: "", SSL_CERT_DIR: "" }, nothing)).toBe(rootCertificates.join("\n"));
  expect(trustedAuthorities({ SSL_CERT_FILE: at("missing.pem") }, nothing)).toEqual([]);
  expect(trustedAuthorities({ SSL_CERT_DIR: at("missing") }, nothing)).toEqual([]);
  expect(trustedAuthorities({ SSL_CERT_DIR: at("dir") }, nothing)).toBe(pems.dir);
});
