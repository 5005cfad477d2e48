import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";

/* What the project's commands have in common: arguments, `--help`, errors, and temporary directories. */

/** The project's directory. */
export const ROOT = dirname(import.meta.dirname);

/**
 * Runs a command of the project with its arguments, or prints its usage for `--help`. A failure ends the process with
 * one message instead of a stack trace.
 */
export async function runScript(usage: string, main: (args: readonly string[]) => Promise<void> | void): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) return console.log(usage);
  try {
    await main(args);
  } catch (error) {
    console.error(`ERROR: ${describe(error)}`);
    // Like an uncaught error, whatever servers and children are left.
    process.exit(1);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!("code" in error) || !String(error.code).startsWith("ERR_PARSE_ARGS_")) return error.message;
  // The rest is advice that only suits parseArgs' own options.
  const [what = ""] = error.message.split(/\. |\n/);
  return usageError(what).message;
}

export function usageError(message: string): Error {
  return new Error(`${message}\nSee the arguments with --help`);
}

const temporary = new Set<string>();

/**
 * Creates a directory that does not outlive the process, even if a signal ends it. A signal during a program that
 * `runTool` runs takes effect after it.
 */
export function makeTemporaryDirectory(prefix: string): string {
  if (temporary.size === 0) {
    process.once("exit", () => {
      for (const path of temporary) rmSync(path, { recursive: true, force: true });
    });
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const)
      process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  const path = mkdtempSync(prefix);
  temporary.add(path);
  return path;
}

/**
 * Creates a temporary directory in which a result is built. Removes those that killed builds of that result left
 * behind.
 */
export function makeStagingDirectory(directory: string, result: string): string {
  const prefix = `.making-${result}-`;
  for (const name of readdirSync(directory))
    if (name.startsWith(prefix)) rmSync(join(directory, name), { recursive: true });
  return makeTemporaryDirectory(join(directory, prefix));
}
