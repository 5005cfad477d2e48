import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { z } from "zod";

const root = dirname(import.meta.dirname);

/** The part of `npm audit --json` that decides. A registry without that service answers something else. */
const reportSchema = z.object({ metadata: z.object({ vulnerabilities: z.record(z.string(), z.number()) }) });

/**
 * Fails if a package of the release, or one that builds and tests it, has a known vulnerability. An unreachable registry,
 * or one without advisories, is only a warning.
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
