import { type SpawnSyncReturns, spawnSync } from "node:child_process";

/** Characters of a failing program's output that a message repeats, from its end. */
const MAX_OUTPUT = 2000;

export interface ToolOptions {
  /** What to do if the program is not installed, in the imperative. */
  readonly remedy?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/**
 * Runs a program that a build needs.
 * @returns its stdout
 * @throws Error that names a missing program with its remedy, or a failing one with its output
 */
export function runTool(program: string, args: readonly string[], options: ToolOptions = {}): string {
  const { status, signal, stdout, stderr } = spawnTool(program, args, options);
  if (status === 0) return stdout;
  const output = `${stdout}${stderr}`.slice(-MAX_OUTPUT);
  throw new Error(`${[program, ...args].join(" ")}: ${signal ?? `exit code ${status}`}\n${output}`);
}

/** For a program whose exit code is an answer. @throws Error that names a missing program with its remedy */
export function spawnTool(
  program: string,
  args: readonly string[],
  { remedy = "", env = process.env, cwd }: ToolOptions = {},
): SpawnSyncReturns<string> {
  const result = spawnSync(program, args, { encoding: "utf8", env, cwd });
  const { error } = result;
  if (error !== undefined && "code" in error && error.code === "ENOENT")
    throw new Error(`${program} is not installed\n${remedy}`.trim());
  if (error !== undefined) throw error;
  return result;
}
