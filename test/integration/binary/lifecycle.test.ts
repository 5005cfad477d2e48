import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { BINARY_FILES, BINARY_LINKS } from "../../../scripts/binary/build-binary.ts";
import { readArchive } from "../../../scripts/lifecycle/archive.ts";
import { buildLifecycle } from "../../../scripts/lifecycle/build-lifecycle.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { blobFile, verifyLayout } from "../../support/images/layout.ts";

const DESCRIPTOR = `[apis.buildpack]
supported = ["0.7", "0.12"]
deprecated = []
[apis.platform]
supported = ["0.7", "0.15"]
deprecated = ["0.7"]
[lifecycle]
version = "0.21.0"
`;

const ELF_MACHINES = { amd64: 62, arm64: 183 } as const;
type Architecture = keyof typeof ELF_MACHINES;

/** Only the header of a program is read. */
function elf(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01", "latin1");
  header.writeUInt16LE(machine, 18);
  return header;
}

/** A release archive whose programs are empty, except for the one that tells the architecture. */
function release(
  architecture: Architecture = "amd64",
  changes: Readonly<Record<string, string | Buffer>> = {},
  phases: readonly string[] = ["analyzer", "builder", "creator", "detector", "exporter", "restorer"],
): string {
  const root = tempTree({
    "lifecycle.toml": DESCRIPTOR,
    "lifecycle/lifecycle": "the phases",
    "lifecycle/launcher": elf(ELF_MACHINES[architecture]),
    "lifecycle/launcher.sbom.cdx.json": "{}",
    ...changes,
  });
  for (const phase of phases) symlinkSync("lifecycle", join(root, "lifecycle", phase));
  const archive = join(tempTree(), `lifecycle-v0.21.0+linux.${architecture}.tgz`);
  execFileSync("tar", ["--create", "--gzip", "--file", archive, "--directory", root, "./lifecycle.toml", "lifecycle"]);
  return archive;
}

/** A small substitute for a file of the executable. */
const own = (name: string, architecture: Architecture) =>
  Buffer.concat([elf(ELF_MACHINES[architecture]), Buffer.from(`our ${name}`)]);

/** A small substitute for the result of build:binary. */
function binary(): string {
  const directory = tempTree();
  for (const architecture of ["amd64", "arm64"] as const) {
    const path = join(directory, `linux-${architecture}`);
    mkdirSync(path);
    for (const [name, { mode }] of BINARY_FILES) writeFileSync(join(path, name), own(name, architecture), { mode });
    for (const [name, target] of BINARY_LINKS) symlinkSync(target, join(path, name));
    writeFileSync(join(path, "else.txt"), "not ours");
  }
  return directory;
}

test("replaces exporter and creator in the archive, and nothing else, in the form that pack accepts", async () => {
  const { archives } = await buildLifecycle({ archives: [release()], out: tempTree(), binary: binary() });
  expect(archives.map((path) => basename(path))).toEqual(["lifecycle-v0.21.0+linux.amd64+tandem.tgz"]);
  const entries = new Map((await readArchive(archives[0] ?? "")).map(({ name, content }) => [name, content]));
  const kept = ["analyzer", "builder", "detector", "launcher", "launcher.sbom.cdx.json", "lifecycle", "restorer"];
  const programs = [...kept, ...BINARY_FILES.keys(), ...BINARY_LINKS.keys()].map((name) => `lifecycle/${name}`);
  expect([...entries.keys()].sort()).toEqual(["lifecycle.toml", ...programs].sort());
  expect(entries.get("lifecycle/exporter")).toEqual(own("exporter", "amd64"));
  expect(entries.get("lifecycle/creator")).toEqual({ linkTo: "exporter" });
  expect(entries.get("lifecycle/analyzer")).toEqual({ linkTo: "lifecycle" });
  expect(entries.get("lifecycle/lifecycle")).toEqual(Buffer.from("the phases"));
  expect(entries.get("lifecycle.toml")).toEqual(Buffer.from(DESCRIPTOR));
  // pack copies only files that are directly in the programs' directory.
  expect([...entries.keys()].filter((name) => name.split("/").length > 2)).toEqual([]);
});

test("writes one image for both architectures, with the lifecycle image's labels and certificate authorities", async () => {
  const archives = [release("amd64"), release("arm64")];
  const { image } = await buildLifecycle({ archives, out: tempTree(), binary: binary() });
  expect(readdirSync(image).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  for (const architecture of ["amd64", "arm64"] as const) {
    const { labels, layers, refName } = verifyLayout(image, architecture);
    expect(refName).toBe("latest");
    expect(labels).toEqual({
      "io.buildpacks.lifecycle.version": "0.21.0",
      "io.buildpacks.lifecycle.apis":
        '{"buildpack":{"deprecated":[],"supported":["0.7","0.12"]},"platform":{"deprecated":["0.7"],"supported":["0.7","0.15"]}}',
      "io.buildpacks.builder.metadata": '{"lifecycle":{"version":"0.21.0"},"api":{"buildpack":"0.7","platform":"0.7"}}',
    });
    const [base = [], lifecycle = []] = await Promise.all(
      layers.map(({ digest }) => readArchive(blobFile(image, digest))),
    );
    const authorities = base.find(({ name }) => name === "etc/ssl/certs/ca-certificates.crt")?.content;
    expect(String(authorities).match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(100);
    const exporter = lifecycle.find(({ name }) => name === "cnb/lifecycle/exporter")?.content;
    expect(exporter).toEqual(own("exporter", architecture));
    expect(lifecycle.map(({ name }) => name)).toContain("cnb/lifecycle.toml");
  }
});

test("sets variables in the image of each architecture", async () => {
  const archives = [release("amd64"), release("arm64")];
  const env = ["CNB_PARALLEL_EXPORT=true", "CNB_EXPORT_WORKERS="];
  const { image } = await buildLifecycle({ archives, out: tempTree(), binary: binary(), env });
  const configs = readdirSync(join(image, "blobs", "sha256"))
    .map((name) => readFileSync(join(image, "blobs", "sha256", name), "latin1"))
    .filter((text) => text.startsWith('{"architecture"'));
  expect(configs).toHaveLength(2);
  for (const text of configs) expect(JSON.parse(text).config.Env.slice(2)).toEqual(env);
});

test("an --env that is not a variable is named in the error", async () => {
  const options = { archives: [release()], out: tempTree(), binary: binary(), env: ["CNB_PARALLEL_EXPORT"] };
  await expect(buildLifecycle(options)).rejects.toThrow("--env CNB_PARALLEL_EXPORT is not <name>=<value>");
});

test("the same input gives the same bytes", async () => {
  const options = { archives: [release()], binary: binary() };
  const [first, second] = [
    await buildLifecycle({ ...options, out: tempTree() }),
    await buildLifecycle({ ...options, out: tempTree() }),
  ];
  expect(readFileSync(second.archives[0] ?? "").equals(readFileSync(first.archives[0] ?? ""))).toBe(true);
  expect(readFileSync(join(second.image, "index.json"))).toEqual(readFileSync(join(first.image, "index.json")));
});

function truncated(): string {
  const archive = release();
  truncateSync(archive, 300);
  return archive;
}

function otherVersion(): string {
  return release("arm64", { "lifecycle.toml": DESCRIPTOR.replace("0.21.0", "0.21.1") });
}

test.each<readonly [string, () => readonly string[], RegExp]>([
  ["no lifecycle.toml", () => [release("amd64", { "lifecycle.toml": "" })], /lifecycle\.toml: /],
  ["a lifecycle.toml that is no TOML", () => [release("amd64", { "lifecycle.toml": "[" })], /is not valid TOML/],
  [
    "no detector",
    () => [release("amd64", {}, ["analyzer", "builder", "creator", "exporter", "restorer"])],
    /no lifecycle\/detector/,
  ],
  ["a launcher for something else", () => [release("amd64", { "lifecycle/launcher": "MZ" })], /launcher is neither/],
  ["a truncated file", () => [truncated()], /\.tgz: unexpected end of file/],
  ["a file that is none", () => [join(tempTree({ "a.tgz": "text" }), "a.tgz")], /a\.tgz: incorrect header check/],
  ["no file", () => ["/nonexistent.tgz"], /\/nonexistent\.tgz: ENOENT/],
  ["the same architecture twice", () => [release(), join(copied(release()))], /are both for linux\/amd64/],
  ["two versions", () => [release(), otherVersion()], /are different lifecycles/],
  ["two files of one name", () => [release(), release()], /need different names/],
])("refuses %s, and leaves no result, not even an earlier one", async (_what, make, message) => {
  const out = tempTree({ "image/index.json": "{}" });
  await expect(buildLifecycle({ archives: make(), out, binary: binary() })).rejects.toThrow(message);
  expect(existsSync(join(out, "image"))).toBe(false);
  expect(readdirSync(out).filter((name) => name.startsWith("."))).toEqual([]);
});

/** The same archive under another name. */
function copied(archive: string): string {
  const copy = join(tempTree(), "other.tgz");
  writeFileSync(copy, readFileSync(archive));
  return copy;
}

test.each<readonly [string, (directory: string) => void, string]>([
  ["was not built", (path) => rmSync(path, { recursive: true }), "linux-amd64/exporter does not exist\nMake it with"],
  ["lacks a library", (path) => rmSync(join(path, "libm.so.6")), "linux-amd64/libm.so.6 does not exist\nMake it with"],
  [
    "is for another architecture",
    (path) => cpSync(`${path}/../linux-arm64`, path, { recursive: true, force: true }),
    "linux-amd64/exporter is not for linux/amd64",
  ],
  [
    "has a truncated library",
    (path) => truncateSync(join(path, "libc.so.6"), 50),
    "linux-amd64/libc.so.6 is not for linux/amd64",
  ],
])("refuses an executable that %s, and leaves no result", async (_what, damage, message) => {
  const [out, directory] = [tempTree(), binary()];
  damage(join(directory, "linux-amd64"));
  await expect(buildLifecycle({ archives: [release()], out, binary: directory })).rejects.toThrow(message);
  expect(readdirSync(out)).toEqual([]);
});

test("a copy of the executable that lost its modes and links makes the same archive", async () => {
  const [archive, directory] = [release(), binary()];
  const [plain] = (await buildLifecycle({ archives: [archive], out: tempTree(), binary: directory })).archives;
  const files = join(directory, "linux-amd64");
  for (const name of BINARY_FILES.keys()) chmodSync(join(files, name), 0o600);
  for (const name of BINARY_LINKS.keys()) rmSync(join(files, name));
  const [copy] = (await buildLifecycle({ archives: [archive], out: tempTree(), binary: directory })).archives;
  expect(readFileSync(copy ?? "").equals(readFileSync(plain ?? ""))).toBe(true);
});
