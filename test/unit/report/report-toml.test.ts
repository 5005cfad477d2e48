import { execFileSync } from "node:child_process";
import fs, {
  chmodSync,
  chownSync,
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { type ExportReport, fitTerminationMessage, reportToml, writeReport } from "../../../src/report/report-toml.ts";
import { applyBuiltinMocks } from "../../support/builtin-mocks.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const REPORT: ExportReport = {
  tags: ["reg.example/app:latest", "reg.example/app:v2"],
  imageId: undefined,
  digest: "sha256:11",
  manifestSize: 1083,
  bom: [],
};
const TEXT = `[image]
  tags = ["reg.example/app:latest", "reg.example/app:v2"]
  digest = "sha256:11"
  manifest-size = 1083
`;

describe("reportToml", () => {
  it("reports an image in a registry", () => {
    expect(reportToml(REPORT)).toBe(TEXT);
  });

  it("reports an image in a daemon, and omits unknown values", () => {
    expect(reportToml({ ...REPORT, tags: ["a"], imageId: "id", digest: undefined, manifestSize: 0 })).toBe(
      '[image]\n  tags = ["a"]\n  image-id = "id"\n',
    );
  });

  it("puts the legacy build BOM first", () => {
    const bom = [
      {
        name: "n",
        version: "",
        metadata: { k: "v", i: 1n, f: 1, sub: { q: true } },
        buildpack: { id: "b", version: "1", optional: false },
      },
      {
        name: "m",
        version: "2",
        metadata: null,
        buildpack: { id: "c", version: "2", optional: true, extension: true },
      },
    ];
    expect(reportToml({ ...REPORT, bom })).toBe(`[build]

  [[build.bom]]
    name = "n"
    [build.bom.metadata]
      f = 1.0
      i = 1
      k = "v"
      [build.bom.metadata.sub]
        q = true
    [build.bom.buildpack]
      id = "b"
      version = "1"

  [[build.bom]]
    name = "m"
    version = "2"
    [build.bom.buildpack]
      id = "c"
      version = "2"
      extension = true
      optional = true

${TEXT}`);
  });
});

const RUN_IMAGE = {
  topLayer: "sha256:22",
  reference: "reg.example/run@sha256:33",
  image: "reg.example/run:latest",
  mirrors: ["mirror.example/run:latest"],
};

describe("the run image in a report", () => {
  it("is a table below [image], as Go writes a RunImageForRebase", () => {
    expect(reportToml({ ...REPORT, runImage: RUN_IMAGE })).toBe(`${TEXT}  [image.run-image]
    top-layer = "sha256:22"
    reference = "reg.example/run@sha256:33"
    image = "reg.example/run:latest"
    mirrors = ["mirror.example/run:latest"]
`);
  });

  it("has no keys for names that are not known", () => {
    expect(reportToml({ ...REPORT, runImage: { ...RUN_IMAGE, image: "", mirrors: [] } })).toBe(
      `${TEXT}  [image.run-image]\n    top-layer = "sha256:22"\n    reference = "reg.example/run@sha256:33"\n`,
    );
  });
});

describe("fitTerminationMessage", () => {
  const mirrors = Array.from({ length: 100 }, (_, i) => `mirror-${i}.example/${"ä".repeat(20)}/run:latest`);
  const bytes = (report: ExportReport) => Buffer.byteLength(reportToml(report));

  it("keeps as many of the first mirrors as fit into 4096 bytes", () => {
    const { report, droppedMirrors } = fitTerminationMessage({ ...REPORT, runImage: { ...RUN_IMAGE, mirrors } });
    const kept = report.runImage?.mirrors ?? [];
    expect(kept).toEqual(mirrors.slice(0, 100 - droppedMirrors));
    expect(bytes(report)).toBeLessThanOrEqual(4096);
    const oneMore = mirrors.slice(0, kept.length + 1);
    expect(bytes({ ...report, runImage: { ...RUN_IMAGE, mirrors: oneMore } })).toBeGreaterThan(4096);
  });

  it("drops nothing from a report of exactly 4096 bytes, and one mirror from a longer one", () => {
    const report = { ...REPORT, runImage: RUN_IMAGE };
    const padded = (length: number) => ({ ...report, digest: `sha256:11${"0".repeat(length - bytes(report))}` });
    expect(fitTerminationMessage(padded(4096))).toEqual({ report: padded(4096), droppedMirrors: 0 });
    expect(fitTerminationMessage(padded(4097))).toMatchObject({ droppedMirrors: 1 });
  });

  it("drops nothing where that does not help, and nothing without a run image", () => {
    const long = { ...REPORT, tags: Array.from({ length: 200 }, (_, i) => `reg.example/app:a-long-tag-${i}`) };
    const report = { ...long, runImage: { ...RUN_IMAGE, mirrors } };
    expect(fitTerminationMessage(report)).toEqual({ report, droppedMirrors: 0 });
    expect(fitTerminationMessage(long)).toEqual({ report: long, droppedMirrors: 0 });
  });
});

describe("writeReport", () => {
  it("creates its directories and replaces an existing report", async () => {
    const path = join(tempTree(), "a", "b", "report.toml");
    await writeReport(path, { ...REPORT, tags: ["a much longer tag than all of the others that come later"] });
    await writeReport(path, REPORT);
    expect(readFileSync(path, "utf8")).toBe(TEXT);
  });

  it("writes into links and hard-linked files, as mounted files must stay in place", async () => {
    const directory = tempTree();
    const [target, path, twin] = [join(directory, "target"), join(directory, "report.toml"), join(directory, "twin")];
    writeFileSync(target, "old");
    symlinkSync(target, path);
    await writeReport(path, REPORT);
    expect(readlinkSync(path)).toBe(target);
    linkSync(target, twin);
    await writeReport(twin, { ...REPORT, tags: ["b"] });
    expect(readFileSync(target, "utf8")).toBe(TEXT.replace(/tags = .*/, 'tags = ["b"]'));
  });

  it("keeps the mode of an existing report", async () => {
    const path = join(tempTree({ "report.toml": "old" }), "report.toml");
    for (const mode of [0o600, 0o666]) {
      chmodSync(path, mode);
      const { ino } = statSync(path);
      await writeReport(path, REPORT);
      expect(statSync(path).mode & 0o777).toBe(mode);
      expect(statSync(path).ino).not.toBe(ino);
    }
  });

  it.skipIf(process.getuid?.() !== 0)("writes into a file of another user or group, which keeps both", async () => {
    const path = join(tempTree({ "report.toml": "old" }), "report.toml");
    for (const [uid, gid] of [
      [1234, 0],
      [0, 1234],
    ] as const) {
      chownSync(path, uid, gid);
      await writeReport(path, REPORT);
      expect(statSync(path)).toMatchObject({ uid, gid });
      expect(readFileSync(path, "utf8")).toBe(TEXT);
    }
  });

  it("writes in place what access(2) calls read-only, so that open(2) refuses it to all but root", async () => {
    const path = join(tempTree({ "report.toml": "old" }), "report.toml");
    const { ino } = statSync(path);
    const refused = Object.assign(new Error("EACCES"), { code: "EACCES", errno: -13, syscall: "access" });
    vi.spyOn(fs.promises, "access").mockRejectedValueOnce(refused);
    applyBuiltinMocks();
    await writeReport(path, REPORT);
    expect(statSync(path).ino).toBe(ino);
    expect(readFileSync(path, "utf8")).toBe(TEXT);
  });

  it("waits for the reader of a FIFO until the export is stopped, and fails with the reason of that", async () => {
    const path = join(tempTree(), "report.toml");
    execFileSync("mkfifo", [path]);
    const reason = new Error("stopped");
    expect(await rejectionOf(writeReport(path, REPORT, AbortSignal.abort(reason)))).toBe(reason);
  });

  it("writes into the file where it cannot be replaced", async () => {
    // There is no space for an even longer name beside it.
    const path = join(tempTree(), "r".repeat(250));
    for (const tag of ["a much longer tag than the other one", "b"])
      await writeReport(path, { ...REPORT, tags: [tag] });
    expect(readFileSync(path, "utf8")).toBe(TEXT.replace(/tags = .*/, 'tags = ["b"]'));
  });

  it("leaves one complete report, and nothing else, after concurrent writes", async () => {
    const directory = tempTree();
    const path = join(directory, "report.toml");
    const reports = Array.from({ length: 20 }, (_, i) => ({ ...REPORT, tags: [`${i}`.repeat(1 + 100 * i)] }));
    await Promise.all(reports.map((report) => writeReport(path, report)));
    expect(reports.map(reportToml)).toContain(readFileSync(path, "utf8"));
    expect(readdirSync(directory)).toEqual(["report.toml"]);
  });

  it("fails with the reference's text", async () => {
    const directory = tempTree();
    const file = join(directory, "file");
    writeFileSync(file, "");
    const below = await rejectionOf(writeReport(join(file, "report.toml"), REPORT));
    expect(below).toBeInstanceOf(Fault);
    expect(below).toMatchObject({ message: `failed to write report file: mkdir ${file}: not a directory` });
    // Go's filepath.Dir cleans its result.
    const unclean = await rejectionOf(writeReport(`${directory}/.//file/x/report.toml`, REPORT));
    expect(unclean).toMatchObject({ message: `failed to write report file: mkdir ${file}: not a directory` });
    const itself = await rejectionOf(writeReport(directory, REPORT));
    expect(itself).toMatchObject({ message: `failed to write report file: open ${directory}: is a directory` });
    const nameless = await rejectionOf(writeReport("", REPORT));
    expect(nameless).toMatchObject({ message: "failed to write report file: open : no such file or directory" });
  });
});
