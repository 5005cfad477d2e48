import { userInfo } from "node:os";
import { posix } from "node:path";
import { Fault } from "../errors/fault.ts";

/** Environment variables. Passed in everywhere, so that only main.ts and the library read those of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Prefix that bin/exporter and the single executable's launcher put before the names of variables that Node.js must not see (bin/runtime.sh). */
export const HIDDEN = "TANDEM_ENV_";

/** The words of a list in bin/runtime.sh. @param text of that file @throws Error if it has no such list */
export function runtimeList(text: string, name: string): readonly string[] {
  const words = new RegExp(`^tandem_${name}='([^']*)'`, "m").exec(text)?.[1];
  if (words === undefined) throw new Error(`bin/runtime.sh has no tandem_${name}='...'`);
  return words.trim().split(/\s+/);
}

const OWN = new Set([
  "NODE_COMPILE_CACHE",
  "NODE_COMPILE_CACHE_PORTABLE",
  "TANDEM_IGNORED_SIGNALS",
  "TANDEM_INVOKED_AS",
]);

/** The original environment of the command, which is also that of programs that it starts. */
export function givenEnvironment(variables: Environment): Environment {
  const given = new Map<string, string | undefined>();
  for (const [name, value] of Object.entries(variables))
    if (!OWN.has(name) && !name.startsWith(HIDDEN)) given.set(name, value);
  for (const [name, value] of Object.entries(variables))
    if (name.startsWith(HIDDEN)) given.set(name.slice(HIDDEN.length), value);
  return Object.fromEntries(given);
}

/**
 * The user's home directory: `HOME`, else that of the user database. For an unlisted user, as in OpenShift, it is a path that does
 * not exist: a relative path would read credentials from the working directory, where a build may have written.
 */
export function homeDirectory({ HOME }: Environment): string {
  if (HOME) return HOME;
  try {
    return userInfo().homedir || NO_HOME;
  } catch {
    return NO_HOME;
  }
}

const NO_HOME = "/nonexistent";

/** As Go's os.TempDir: `TMP` and `TEMP`, which Node.js also reads, do not count. */
export function temporaryDirectory({ TMPDIR }: Environment): string {
  return TMPDIR || "/tmp";
}

/** The working directory; "" if it was deleted, which matters to relative paths only ({@link absolutePath}). */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return "";
  }
}

/**
 * Makes a path absolute.
 * @param cwd the working directory; "" if it was deleted
 * @throws Fault in the words of Go's filepath.Abs, for a relative path in a deleted directory
 */
export function absolutePath(cwd: string, path: string): string {
  if (cwd === "" && !posix.isAbsolute(path))
    throw new Fault("EXPORT_ARGS_CWD", "getwd: no such file or directory", {
      hint: `The working directory was deleted: give ${path} as an absolute path, or start in another directory.`,
    });
  return posix.resolve(cwd, path);
}

/**
 * Stop signals that the process was started with as ignored: SIGHUP by nohup, SIGINT in a shell's background. A Go program
 * keeps ignoring these two.
 * @param mask `SigIgn` of proc(5) from before Node.js reset it, in hexadecimal; undefined if unknown
 */
export function signalsIgnoredAtStart(mask = ""): readonly ("SIGHUP" | "SIGINT")[] {
  const bits = Number.parseInt(mask.slice(-1), 16);
  return [...((bits & 1) === 1 ? (["SIGHUP"] as const) : []), ...((bits & 2) === 2 ? (["SIGINT"] as const) : [])];
}
