import { parseArgs } from "node:util";
import { z } from "zod";
import { spawnTool } from "./run-tool.ts";
import { ROOT, runScript } from "./script.ts";

const USAGE = `npm run audit

Fails if a package of the release, or one that builds and tests it, has a known vulnerability. An unreachable registry, or one
without advisories, is only a warning. Takes no arguments.`;

/** The part of `npm audit --json` that decides. A registry without that service answers something else. */
const reportSchema = z.object({ metadata: z.object({ vulnerabilities: z.record(z.string(), z.number()) }) });

function main(args: readonly string[]): void {
  parseArgs({ args, options: {} });
  const { stdout } = spawnTool("npm", ["audit", "--json", "--package-lock-only"], {
    cwd: ROOT,
    remedy: "Install npm, which comes with Node.js",
  });
  const report = reportSchema.safeParse(parse(stdout));
  if (!report.success) {
    console.warn("npm audit: the registry does not tell of vulnerabilities, nothing was checked");
    return;
  }
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

await runScript(USAGE, main);
