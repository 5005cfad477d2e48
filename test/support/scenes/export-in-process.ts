import { afterAll } from "vitest";
import { DEFAULT_ENVIRONMENT, EXPORTER, type ExporterRun } from "../exporter.ts";
import { InProcessCommand } from "../in-process.ts";

const command = new InProcessCommand();
afterAll(() => command[Symbol.asyncDispose]());

/** Runs the exporter in the test's process, with nothing of the process's environment. */
export async function exportInProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ExporterRun> {
  const started = performance.now();
  const whole: Readonly<Record<string, string>> = { ...DEFAULT_ENVIRONMENT, ...env };
  const run = await command.run({
    program: EXPORTER,
    args,
    env: whole,
    cwd: process.cwd(),
    home: whole.HOME ?? "",
    runAs: stay,
  });
  return { ...run, wallMs: performance.now() - started };
}

function stay(uid: number, gid: number): void {
  if (uid !== process.getuid?.() || gid !== process.getgid?.())
    throw new Error(`only a process of its own may become ${uid}:${gid}`);
}
