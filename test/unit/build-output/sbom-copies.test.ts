import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SbomCopies } from "../../../src/build-output/sboms.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

/** Destination of the launcher's SBOMs. */
const TARGET = ["sbom", "launch", "buildpacksio_lifecycle", "launcher"];

describe("SBOM copies", () => {
  it("copies files and links, and skips anything else", async () => {
    const layers = tempTree();
    const source = tempTree({ "launcher.sbom.cdx.json": "cdx", "other.txt": "", "x.sbom.syft.json/": "" });
    symlinkSync("/nowhere", join(source, "l.sbom.spdx.json"));
    // Opening it would block forever.
    execFileSync("mkfifo", [join(source, "f.sbom.cdx.json")]);
    await new SbomCopies().make(layers, source, new RecordingLogger());
    const target = join(layers, ...TARGET);
    expect(readFileSync(join(target, "launcher.sbom.cdx.json"), "utf8")).toBe("cdx");
    expect(readlinkSync(join(target, "l.sbom.spdx.json"))).toBe("/nowhere");
    for (const name of ["f.sbom.cdx.json", "other.txt", "x.sbom.syft.json"])
      expect(lstatSync(join(target, name), { throwIfNoEntry: false })).toBeUndefined();
  });

  it("keeps bytes that are not UTF-8 in names and link targets", async () => {
    const [layers, source] = [tempTree(), tempTree()];
    const [name, link] = [
      Buffer.from("caf\xe9.sbom.cdx.json", "latin1"),
      Buffer.from("th\xe9.sbom.cdx.json", "latin1"),
    ];
    const inside = (directory: string, file: Buffer) => Buffer.concat([Buffer.from(`${directory}/`), file]);
    writeFileSync(inside(source, name), "cdx");
    symlinkSync(name, inside(source, link));
    await new SbomCopies().make(layers, source, new RecordingLogger());
    const target = join(layers, ...TARGET);
    expect(readdirSync(target, "buffer").sort(Buffer.compare)).toEqual([name, link]);
    expect(readlinkSync(inside(target, link), "buffer")).toEqual(name);
  });

  it("makes the directories of custom SBOMs with mode 0755, even without a umask", async () => {
    const [layers, source] = [tempTree(), tempTree({ "a.sbom.cdx.json": "" })];
    const umask = process.umask(0);
    try {
      await new SbomCopies().make(layers, source, new RecordingLogger());
    } finally {
      process.umask(umask);
    }
    for (let count = 1; count <= TARGET.length; count++)
      expect(statSync(join(layers, ...TARGET.slice(0, count))).mode & 0o777).toBe(0o755);
  });

  it("does not rewrite an equal copy, which another export may be reading, and replaces a longer one", async () => {
    const [layers, source] = [tempTree(), tempTree({ "a.sbom.cdx.json": "same", "b.sbom.cdx.json": "new" })];
    const target = join(layers, ...TARGET);
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "a.sbom.cdx.json"), "same");
    writeFileSync(join(target, "b.sbom.cdx.json"), "older");
    const time = new Date("2020-01-01T00:00:00Z");
    utimesSync(join(target, "a.sbom.cdx.json"), time, time);
    await new SbomCopies().make(layers, source, new RecordingLogger());
    expect(statSync(join(target, "a.sbom.cdx.json")).mtime).toEqual(time);
    expect(readFileSync(join(target, "b.sbom.cdx.json"), "utf8")).toBe("new");
  });

  it("undoes its own additions and nothing else", async () => {
    const source = tempTree({ "a.sbom.cdx.json": "new", "b.sbom.cdx.json": "new" });
    symlinkSync("/to", join(source, "c.sbom.cdx.json"));
    const [empty, used] = [tempTree(), tempTree({ [join(...TARGET, "a.sbom.cdx.json")]: "older" })];
    for (const layers of [empty, used]) {
      const copies = new SbomCopies();
      await copies.make(layers, source, new RecordingLogger());
      expect(readdirSync(join(layers, ...TARGET))).toHaveLength(3);
      await copies.undo();
    }
    expect(readdirSync(empty)).toEqual([]);
    expect(readdirSync(join(used, ...TARGET))).toEqual(["a.sbom.cdx.json"]);
  });

  it.each<[string, (layers: string, source: string) => void, (layers: string, source: string) => string]>([
    [
      "a directory that cannot be created",
      (layers) => writeFileSync(join(layers, "sbom"), ""),
      (layers) => `mkdir ${join(layers, "sbom")}: not a directory`,
    ],
    [
      "an existing link",
      (layers, source) => {
        mkdirSync(join(layers, ...TARGET), { recursive: true });
        for (const directory of [source, join(layers, ...TARGET)])
          symlinkSync("/to", join(directory, "a.sbom.cdx.json"));
      },
      (layers) => `symlink /to ${join(layers, ...TARGET, "a.sbom.cdx.json")}: file exists`,
    ],
    [
      "a file whose place is taken",
      (layers, source) => {
        writeFileSync(join(source, "a.sbom.cdx.json"), "");
        mkdirSync(join(layers, ...TARGET, "a.sbom.cdx.json"), { recursive: true });
      },
      (layers) => `open ${join(layers, ...TARGET, "a.sbom.cdx.json")}: is a directory`,
    ],
  ])("names the obstacle: %s", async (_, prepare, reason) => {
    const [layers, source] = [tempTree(), tempTree()];
    prepare(layers, source);
    const fault = await rejectionOf(new SbomCopies().make(layers, source, new RecordingLogger()));
    expect(fault).toMatchObject({ message: `failed to copy buildpacksio SBOMs: ${reason(layers, source)}` });
  });

  it.each<[string, (source: string) => void]>([
    ["that does not exist", (source) => rmSync(source, { recursive: true })],
    [
      "that is a file",
      (source) => {
        rmSync(source, { recursive: true });
        writeFileSync(source, "");
      },
    ],
  ])("names the flag of a directory %s", async (_, prepare) => {
    const source = tempTree();
    prepare(source);
    const fault = await rejectionOf(new SbomCopies().make(tempTree(), source, new RecordingLogger()));
    const hint = `Correct -launcher-sbom, or leave it out: ${source} must be a directory that can be read.`;
    expect(fault).toMatchObject({ hint });
  });
});
