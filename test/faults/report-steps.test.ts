import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { expect, test } from "vitest";
import { reportToml, writeReport } from "../../src/report/report-toml.ts";
import { expectOneChange, killedSteps } from "../support/process/killed-steps.ts";

const report = (tag: string) => ({
  tags: [tag],
  digest: `sha256:${tag}`,
  manifestSize: 1,
  bom: [],
  imageId: undefined,
});
const [OLD, NEW] = [report("old"), report("newer")];

test("a kill before any step leaves the old report.toml or the new one, and the next run cleans up", async () => {
  const found: ("old" | "new")[] = [];
  const writeOld = (path: string) => writeReport(path, OLD);
  for await (const { path } of killedSteps("report", NEW, writeOld, "report.toml")) {
    const text = readFileSync(path, "utf8");
    expect([reportToml(OLD), reportToml(NEW)]).toContain(text);
    found.push(text === reportToml(OLD) ? "old" : "new");
    await writeReport(path, NEW);
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
    expect(readFileSync(path, "utf8")).toBe(reportToml(NEW));
  }
  expectOneChange(found);
});
