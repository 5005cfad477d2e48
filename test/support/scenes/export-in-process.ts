import { DEFAULT_ENVIRONMENT, EXPORTER, type ExporterRun, runExporter } from "../process/exporter.ts";
import { InProcessCommand, type Outputs } from "../process/in-process.ts";

/** Shared by all test files of a process; its threads end with the process. */
const command = new InProcessCommand();

/**
 * Runs the exporter in the test's process, without the process's environment. An export that switches users gets its
 * own process.
 */
export async function exportInProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  outputs: Outputs = {},
): Promise<ExporterRun> {
  if (becomesAnother(args)) return await runExporter(args, env);
  const started = performance.now();
  const whole: Readonly<Record<string, string>> = { ...DEFAULT_ENVIRONMENT, ...env };
  const home = whole.HOME ?? "";
  const run = await command.run({
    program: EXPORTER,
    args,
    env: whole,
    cwd: process.cwd(),
    home,
    runAs: () => undefined,
    ...outputs,
  });
  return { ...run, status: run.exitCode, wallMs: performance.now() - started };
}

/** The last of repeated flags counts. */
function becomesAnother(args: readonly string[]): boolean {
  const lastOf = (flag: string) => args[args.lastIndexOf(flag) + 1];
  return lastOf("-uid") !== String(process.getuid?.()) || lastOf("-gid") !== String(process.getgid?.());
}
