import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readExtensionLayers } from "../../../src/build-output/extended-image.ts";
import { parsePlatformApi } from "../../../src/cnb/api.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { createdByExtension, writeExtendedLayout } from "../../support/images/extended-layout.ts";
import { blobFile } from "../../support/images/layout.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const BASE = { blob: Buffer.from("run image's"), createdBy: "ADD file", isRunImages: true };
const APT = { blob: Buffer.from("apt"), createdBy: createdByExtension("RUN apt", "x/apt") };
const YUM = { blob: Buffer.from("yum!"), createdBy: "something else" };

function read(extendedDir: string, api = "0.12") {
  return readExtensionLayers({ platformApi: parsePlatformApi(api), extendedDir });
}

test("layers with blobs count; each has the history entry of its number, without empty layers", async () => {
  const extended = tempTree();
  const path = writeExtendedLayout(extended, [BASE, APT, BASE, YUM]);
  expect(await read(extended)).toEqual([
    {
      index: 1,
      createdBy: APT.createdBy,
      path: blobFile(path, digestOf(APT.blob)),
      digest: digestOf(APT.blob),
    },
    {
      index: 3,
      createdBy: YUM.createdBy,
      path: blobFile(path, digestOf(YUM.blob)),
      digest: digestOf(YUM.blob),
    },
  ]);
});

describe("there is no extended image", () => {
  test("below Platform API 0.12", async () => {
    const extended = tempTree();
    writeExtendedLayout(extended, [APT]);
    expect(await read(extended, "0.11")).toEqual([]);
  });

  test.for([
    ["nothing", {}],
    ["an empty directory", { "run/": "" }],
  ] as const)("with %s", async ([, files]) => {
    expect(await read(tempTree(files))).toEqual([]);
  });

  test("without a directory", async () => {
    expect(await read("")).toEqual([]);
  });
});

describe("an invalid extended image is rejected", () => {
  test.for([
    {
      what: "a second entry",
      spoil: (path: string) => mkdirSync(`${path}-2`),
      message: /^expected directory ".*\/run" to have only 1 item; found 2$/,
    },
    {
      what: "no index",
      spoil: (path: string) => rmSync(join(path, "index.json")),
      message: /^open .*\/index.json: no such file or directory$/,
    },
    {
      what: "no manifest in the index",
      spoil: (path: string) => writeIndex(path, []),
      message: /^expected image index at ".*" to have only 1 manifest; found 0$/,
    },
    {
      what: "two manifests in the index",
      spoil: (path: string) => writeIndex(path, [digestOf(Buffer.from("a")), digestOf(Buffer.from("b"))]),
      message: /^expected image index at ".*" to have only 1 manifest; found 2$/,
    },
    {
      what: "an index in the index",
      spoil: (path: string) => writeIndex(path, [digestOf(Buffer.from("a"))], OCI_INDEX),
      message: /^unexpected media type for sha256:[0-9a-f]{64}: application\/vnd\.oci\.image\.index\.v1\+json$/,
    },
    {
      what: "a missing manifest",
      spoil: (path: string) => writeIndex(path, [digestOf(Buffer.from("a"))]),
      message: /^lstat .*: no such file or directory$/,
    },
    {
      what: "a digest that leads out of the layout",
      spoil: (path: string) => writeIndex(path, ["../../../etc/passwd"]),
      message: /^invalid image index: cannot parse hash: "\.\.\/\.\.\/\.\.\/etc\/passwd" at manifests\[0\]\.digest$/,
    },
    {
      what: "an index that is not JSON",
      spoil: (path: string) => writeFileSync(join(path, "index.json"), "{"),
      message: /^invalid image index: not JSON: unexpected end of JSON input$/,
    },
    {
      what: "an index that never ends",
      spoil: (path: string) => truncateSync(join(path, "index.json"), 2 ** 40),
      message: /^.*\/index.json has more than 67108864 bytes$/,
    },
    {
      what: "an index that is a directory",
      spoil: (path: string) => {
        rmSync(join(path, "index.json"));
        mkdirSync(join(path, "index.json"));
      },
      message: /index.json is not a regular file$/,
    },
    {
      what: "a blob that is a symlink",
      spoil: (path: string) => {
        const blob = blobFile(path, digestOf(APT.blob));
        rmSync(blob);
        symlinkSync("/etc/passwd", blob);
      },
      message: /^failed to get layer info: layout blob sha256:[0-9a-f]{64} is a symlink$/,
    },
    {
      what: "a blob that is a directory",
      spoil: (path: string) => {
        const blob = blobFile(path, digestOf(APT.blob));
        rmSync(blob);
        mkdirSync(blob);
      },
      message: /^failed to get layer info: layout blob sha256:[0-9a-f]{64} is not a regular file$/,
    },
  ])("$what", async ({ spoil, message }) => {
    const extended = tempTree();
    spoil(writeExtendedLayout(extended, [BASE, APT]));
    expect(await rejectionOf(read(extended))).toMatchObject({ message: expect.stringMatching(message) });
  });

  test("with a hint that a line break in its path leaves on one line", async () => {
    const extended = join(tempTree(), "a\nb");
    const path = writeExtendedLayout(extended, [BASE, APT]);
    writeIndex(path, []);
    const shown = path.replace("\n", "\\n");
    expect(await rejectionOf(read(extended))).toMatchObject({
      hint: `Run the extender again: the image that it left in ${shown} cannot be read.`,
    });
  });

  test("a file in the place of its directory", async () => {
    const extended = tempTree({ run: "" });
    expect(await rejectionOf(read(extended))).toMatchObject({
      code: "EXPORT_INPUT_READ",
      message: `open ${join(extended, "run")}: not a directory`,
    });
  });

  test("a modified manifest", async () => {
    const extended = join(tempTree(), "a\nb");
    const path = writeExtendedLayout(extended, [BASE, APT]);
    const digest = digestOf(Buffer.from("manifest"));
    writeIndex(path, [digest]);
    writeFileSync(blobFile(path, digest), "{}");
    expect(await rejectionOf(read(extended))).toMatchObject({
      message: expect.stringContaining("has the digest"),
      hint: `Run the extender again: the image that it left in ${path.replace("\n", "\\n")} cannot be read.`,
    });
  });
});

function writeIndex(path: string, digests: readonly string[], mediaType = OCI_MANIFEST): void {
  const manifests = digests.map((digest) => ({ mediaType, size: 1, digest }));
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
}
