import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { blobPath } from "../../../../src/destinations/layout/blobs.ts";
import { Layout } from "../../../../src/destinations/layout/layout.ts";
import type { BuiltImage } from "../../../../src/images/image.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../../../src/oci/descriptor.ts";
import { digestOf } from "../../../../src/oci/digest.ts";
import { applyBuiltinMocks } from "../../../support/builtin-mocks.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { rejectionOf } from "../../../support/thrown-by.ts";

function imageOf(text: string): BuiltImage {
  const [configBytes, manifestBytes] = [Buffer.from(`config ${text}`), Buffer.from(`manifest ${text}`)];
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  return {
    configBytes,
    configDescriptor: describe(OCI_CONFIG, configBytes),
    manifestBytes,
    manifestDescriptor: describe(OCI_MANIFEST, manifestBytes),
    layers: [],
  };
}

test("an image replaces its predecessor; old blobs stay", async () => {
  const layout = new Layout(join(tempTree(), "a", "b"));
  for (const text of ["one", "two"]) {
    const image = imageOf(text);
    await layout.putImage(image, "latest");
    const index = JSON.parse(readFileSync(join(layout.path, "index.json"), "utf8"));
    expect(index.manifests).toEqual([
      { ...image.manifestDescriptor, annotations: { "org.opencontainers.image.ref.name": "latest" } },
    ]);
  }
  layout.close();
  expect(readdirSync(layout.path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  expect(readdirSync(join(layout.path, "blobs", "sha256"))).toHaveLength(4);
});

test("index.json stays unchanged if a blob cannot be written", async () => {
  const layout = new Layout(tempTree());
  await layout.putImage(imageOf("one"), "latest");
  const before = readFileSync(join(layout.path, "index.json"), "utf8");
  const image = imageOf("two");
  mkdirSync(join(layout.path, "blobs", ...image.manifestDescriptor.digest.split(":")));
  expect(await rejectionOf(layout.putImage(image, "latest"))).toMatchObject({ code: "EXPORT_LAYOUT_WRITE" });
  expect(readFileSync(join(layout.path, "index.json"), "utf8")).toBe(before);
});

test.each([["index.json"], ["oci-layout"], [join("blobs", ...imageOf("one").configDescriptor.digest.split(":"))]])(
  "the advice for a directory in the place of a file is to remove it: %s",
  async (name) => {
    const layout = new Layout(tempTree({ [`${name}/`]: "" }));
    expect(await rejectionOf(layout.putImage(imageOf("one"), "latest"))).toMatchObject({
      code: "EXPORT_LAYOUT_WRITE",
      hint: `Remove the directory ${join(layout.path, name)}, which is in the place of a file of the layout.`,
    });
    layout.close();
  },
);

test("close() removes unfinished files", async () => {
  const layout = new Layout(tempTree());
  const directory = await layout.create();
  expect(await layout.create()).toBe(directory);
  writeFileSync(join(directory, "half a layer"), "x");
  layout.close();
  expect(readdirSync(layout.path)).toEqual(["blobs"]);
  layout.close();
});

test("an image counts as published when its layout is moved away right after it", async () => {
  const root = tempTree();
  const layout = new Layout(join(root, "app"));
  const { rename } = promises;
  vi.spyOn(promises, "rename").mockImplementation(async (from, to) => {
    await rename(from, to);
    if (to === join(layout.path, "index.json")) renameSync(layout.path, join(root, "moved"));
  });
  applyBuiltinMocks();
  await layout.putImage(imageOf("one"), "latest");
  layout.close();
  expect(readdirSync(join(root, "moved"))).toContain("index.json");
});

test("the error of a layout that disappears names the missing path", async () => {
  const layout = new Layout(join(tempTree(), "app"));
  await layout.create();
  rmSync(layout.path, { recursive: true });
  const image = imageOf("one");
  expect(await rejectionOf(layout.putImage(image, "latest"))).toMatchObject({
    code: "EXPORT_LAYOUT_WRITE",
    message: `write ${blobPath(layout.path, image.configDescriptor.digest)}: no such file or directory`,
  });
  layout.close();
});

test("the error of a layout that cannot be created names the directory", async () => {
  const root = tempTree();
  writeFileSync(join(root, "file"), "");
  const layout = new Layout(join(root, "file", "app"));
  expect(await rejectionOf(layout.create())).toMatchObject({
    code: "EXPORT_LAYOUT_CREATE",
    message: `mkdir ${join(root, "file")}: not a directory`,
  });
});
