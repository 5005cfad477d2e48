import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildLifecycle } from "../../../scripts/build-lifecycle.ts";
import { readArchive } from "../../../scripts/lifecycle-archive.ts";
import { blobFile, verifyLayout } from "../../support/layout.ts";
import { tempTree } from "../../unit/temp-tree.ts";

const DESCRIPTOR = `[apis.buildpack]
supported = ["0.7", "0.12"]
deprecated = []
[apis.platform]
supported = ["0.7", "0.15"]
deprecated = ["0.7"]
[lifecycle]
version = "0.21.0"
`;

/** A release archive with programs that are none, but for the one that says the architecture. */
function release(changes: Readonly<Record<string, string>> = {}): string {
  const root = tempTree({
    "lifecycle.toml": DESCRIPTOR,
    "lifecycle/lifecycle": "the phases",
    "lifecycle/launcher.sbom.cdx.json": "{}",
    ...changes,
  });
  if (!("lifecycle/launcher" in changes)) copyFileSync("/bin/true", join(root, "lifecycle", "launcher"));
  for (const phase of ["analyzer", "builder", "creator", "detector", "exporter", "restorer"])
    symlinkSync("lifecycle", join(root, "lifecycle", phase));
  const archive = join(tempTree({}), "lifecycle-v0.21.0+linux.tgz");
  execFileSync("tar", ["--create", "--gzip", "--file", archive, "--directory", root, "./lifecycle.toml", "lifecycle"]);
  return archive;
}

/** What build:binary leaves, in small. */
function binary(): string {
  const directory = tempTree({ exporter: "our exporter", "libatomic.so.1": "a library", "somebody's.txt": "else" });
  symlinkSync("exporter", join(directory, "creator"));
  return directory;
}

test("exporter and creator are replaced, and nothing else, in the form that pack takes", async () => {
  const [archive] = await buildLifecycle({ archive: release(), out: tempTree({}), binary: binary() });
  expect(archive).toMatch(/\/lifecycle-v0\.21\.0\+linux\+tandem\.tgz$/);
  const entries = new Map((await readArchive(archive)).map(({ name, content }) => [name, content]));
  expect([...entries.keys()].sort()).toEqual([
    "lifecycle.toml",
    ...["analyzer", "builder", "creator", "detector", "exporter", "launcher", "launcher.sbom.cdx.json"].map(
      (name) => `lifecycle/${name}`,
    ),
    ...["libatomic.so.1", "lifecycle", "restorer"].map((name) => `lifecycle/${name}`),
  ]);
  expect(entries.get("lifecycle/exporter")).toEqual(Buffer.from("our exporter"));
  expect(entries.get("lifecycle/creator")).toEqual({ linkTo: "exporter" });
  expect(entries.get("lifecycle/analyzer")).toEqual({ linkTo: "lifecycle" });
  expect(entries.get("lifecycle/lifecycle")).toEqual(Buffer.from("the phases"));
  expect(entries.get("lifecycle.toml")).toEqual(Buffer.from(DESCRIPTOR));
});

test("the image has the lifecycle in its last layer and the labels that kpack reads; the same input gives the same bytes", async () => {
  const [archive, parts] = [release(), binary()];
  const [[tgz, image], [again, imageAgain]] = [
    await buildLifecycle({ archive, out: tempTree({}), binary: parts }),
    await buildLifecycle({ archive, out: tempTree({}), binary: parts }),
  ];
  expect(readFileSync(again).equals(readFileSync(tgz))).toBe(true);
  const { digest, labels, layers } = verifyLayout(image);
  expect(verifyLayout(imageAgain).digest).toBe(digest);
  expect(layers).toMatchObject([{ isHere: true }]);
  expect(readdirSync(image).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  expect(labels["io.buildpacks.lifecycle.version"]).toBe("0.21.0");
  expect(JSON.parse(labels["io.buildpacks.lifecycle.apis"] ?? "")).toEqual({
    buildpack: { supported: ["0.7", "0.12"], deprecated: [] },
    platform: { supported: ["0.7", "0.15"], deprecated: ["0.7"] },
  });
  expect(JSON.parse(labels["io.buildpacks.builder.metadata"] ?? "")).toEqual({
    lifecycle: { version: "0.21.0" },
    api: { buildpack: "0.7", platform: "0.7" },
  });
  const names = (await readArchive(blobFile(image, layers[0]?.digest ?? ""))).map(({ name }) => name);
  expect(names).toContain("cnb/lifecycle/exporter");
  expect(names).toContain("cnb/lifecycle.toml");
});

test.each([
  ["no lifecycle.toml", { "lifecycle.toml": "" }, /lifecycle\.toml: /],
  [
    "a launcher for something else",
    { "lifecycle/launcher": "MZ" },
    /its launcher is neither for linux\/amd64 nor for linux\/arm64/,
  ],
])("an archive with %s is refused", async (_what, changes, message) => {
  await expect(buildLifecycle({ archive: release(changes), out: tempTree({}), binary: binary() })).rejects.toThrow(
    message,
  );
});

test("what is no archive is refused", async () => {
  const archive = join(tempTree({ "file.tgz": "text" }), "file.tgz");
  await expect(buildLifecycle({ archive, out: tempTree({}), binary: binary() })).rejects.toThrow(
    /incorrect header check/,
  );
});
