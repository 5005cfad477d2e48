import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { z } from "zod";

const root = dirname(import.meta.dirname);

/** The part of `npm audit --json` that decides; a registry that has no such service answers with something else. */
const reportSchema = z.object({ metadata: z.object({ vulnerabilities: z.record(z.string(), z.number()) }) });

/**
 * Fails when a package of the release, or one that builds and tests it, has a known vulnerability. A registry that does not tell, or none in reach, is not a
 * finding: it is said, and whoever runs this where there is one decides.
 */
const { stdout } = spawnSync("npm", ["audit", "--json", "--package-lock-only"], {
  cwd: root,
  encoding: "utf8",
});
const report = reportSchema.safeParse(parse(stdout));
if (!report.success) console.warn("npm audit: the registry does not tell of vulnerabilities, nothing was checked");
else {
  const { total = 0, ...bySeverity } = report.data.metadata.vulnerabilities;
  console.log(`npm audit: ${total} known vulnerabilities ${JSON.stringify(bySeverity)}`);
  if (total > 0) process.exitCode = 1;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
