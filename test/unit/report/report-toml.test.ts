import {
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { type ExportReport, reportToml, writeReport } from "../../../src/report/report-toml.ts";
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
      { name: "m", version: "2", metadata: null, buildpack: { id: "c", version: "2", optional: true } },
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
      optional = true

${TEXT}`);
  });
});

describe("writeReport", () => {
  it("creates its directories and replaces an existing report", async () => {
    const directory = mkdtempSync(join(tmpdir(), "report-"));
    try {
      const path = join(directory, "a", "b", "report.toml");
      await writeReport(path, { ...REPORT, tags: ["a much longer tag than all of the others that come later"] });
      await writeReport(path, REPORT);
      expect(readFileSync(path, "utf8")).toBe(TEXT);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("writes into links and hard-linked files, as mounted files must stay in place", async () => {
    const directory = mkdtempSync(join(tmpdir(), "report-"));
    try {
      const [target, path, twin] = [join(directory, "target"), join(directory, "report.toml"), join(directory, "twin")];
      writeFileSync(target, "old");
      symlinkSync(target, path);
      await writeReport(path, REPORT);
      expect(readlinkSync(path)).toBe(target);
      linkSync(target, twin);
      await writeReport(twin, { ...REPORT, tags: ["b"] });
      expect(readFileSync(target, "utf8")).toBe(TEXT.replace(/tags = .*/, 'tags = ["b"]'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("writes into the file where it cannot be replaced", async () => {
    const directory = mkdtempSync(join(tmpdir(), "report-"));
    // Beside it there is no room for a name that is longer still.
    const path = join(directory, "r".repeat(250));
    try {
      for (const tag of ["a much longer tag than the other one", "b"])
        await writeReport(path, { ...REPORT, tags: [tag] });
      expect(readFileSync(path, "utf8")).toBe(TEXT.replace(/tags = .*/, 'tags = ["b"]'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("leaves one complete report, and nothing else, after concurrent writes", async () => {
    const directory = mkdtempSync(join(tmpdir(), "report-"));
    const path = join(directory, "report.toml");
    try {
      const reports = Array.from({ length: 20 }, (_, i) => ({ ...REPORT, tags: [`${i}`.repeat(1 + 100 * i)] }));
      await Promise.all(reports.map((report) => writeReport(path, report)));
      expect(reports.map(reportToml)).toContain(readFileSync(path, "utf8"));
      expect(readdirSync(directory)).toEqual(["report.toml"]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("fails with the reference's text", async () => {
    const directory = mkdtempSync(join(tmpdir(), "report-"));
    try {
      const file = join(directory, "file");
      writeFileSync(file, "");
      const below = await rejectionOf(writeReport(join(file, "report.toml"), REPORT));
      expect(below).toBeInstanceOf(Fault);
      expect(below).toMatchObject({ message: `failed to write report file: mkdir ${file}: not a directory` });
      // Go's filepath.Dir cleans what it returns.
      const unclean = await rejectionOf(writeReport(`${directory}/.//file/x/report.toml`, REPORT));
      expect(unclean).toMatchObject({ message: `failed to write report file: mkdir ${file}: not a directory` });
      const itself = await rejectionOf(writeReport(directory, REPORT));
      expect(itself).toMatchObject({ message: `failed to write report file: open ${directory}: is a directory` });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
