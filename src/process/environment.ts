import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { posix } from "node:path";
import { Fault } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import { fromByteString } from "../go/byte-string.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Prefix that bin/exporter and the single executable's launcher put before the names of variables that Node.js must not
 * see (bin/runtime.sh). `TANDEM_HIDDEN` has these names; any other variable with the prefix comes from outside.
 */
export const HIDDEN = "TANDEM_ENV_";

export function runtimeList(text: string, name: string): readonly string[] {
  const words = new RegExp(`^tandem_${name}='([^']*)'`, "m").exec(text)?.[1];
  if (words === undefined) throw new Error(`bin/runtime.sh has no tandem_${name}='...'`);
  return words.trim().split(/\s+/);
}

const OWN = new Set([
  "NODE_COMPILE_CACHE",
  "NODE_COMPILE_CACHE_PORTABLE",
  "TANDEM_HIDDEN",
  "TANDEM_IGNORED_SIGNALS",
  "TANDEM_INVOKED_AS",
  "TANDEM_OPEN_FILES",
]);

const LOSSY = "\ufffd";

/**
 * Arguments in which each byte that is not UTF-8 is a lone surrogate (src/go/byte-string.ts). Node.js has replaced such
 * bytes in `decoded`.
 * @param decoded without the program and its script
 */
export function exactArguments(decoded: readonly string[]): readonly string[] {
  const exact = decoded.some((text) => text.includes(LOSSY)) ? readExact("cmdline") : undefined;
  return exact?.slice(-decoded.length) ?? decoded;
}

/** {@link exactArguments} for the values of variables. */
export function exactVariables(decoded: Environment): Environment {
  const lossy = Object.keys(decoded).filter((name) => decoded[name]?.includes(LOSSY));
  if (lossy.length === 0) return decoded;
  const exact = readExact("environ") ?? [];
  const exactValue = (name: string) => exact.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
  // The launcher has hidden every variable, and src/executable/binary.ts renamed only what Node.js decoded.
  const found = lossy.map((name) => [name, exactValue(name) ?? exactValue(HIDDEN + name)]);
  return { ...decoded, ...Object.fromEntries(found.filter(([, value]) => value !== undefined)) };
}

function readExact(file: "cmdline" | "environ"): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/self/${file}`, "latin1").split("\0").slice(0, -1).map(fromByteString);
  } catch {
    return undefined;
  }
}

export function givenEnvironment(variables: Environment): Environment {
  const given = new Map<string, string | undefined>();
  for (const [name, value] of Object.entries(variables))
    if (!OWN.has(name) && !name.startsWith(HIDDEN)) given.set(name, value);
  for (const name of variables.TANDEM_HIDDEN?.match(/\S+/g) ?? []) given.set(name, variables[HIDDEN + name]);
  return Object.fromEntries(given);
}

/**
 * `HOME`, else that of the user database. For an unlisted user, as in OpenShift, a path that does not exist: a relative
 * path would read credentials from the working directory, where a build may have written.
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

/** Like Go's os.TempDir: ignores `TMP` and `TEMP`, which Node.js also reads. */
export function temporaryDirectory({ TMPDIR }: Environment): string {
  return TMPDIR || "/tmp";
}

export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return "";
  }
}

/**
 * @param cwd "" if it was deleted
 * @throws Fault in the words of Go's filepath.Abs, for a relative path in a deleted directory
 */
export function absolutePath(cwd: string, path: string): string {
  if (cwd === "" && !posix.isAbsolute(path))
    throw new Fault("EXPORT_ARGS_CWD", "getwd: no such file or directory", {
      hint: hintLine`The working directory was deleted: give ${path} as an absolute path, or start in another directory.`,
    });
  return posix.resolve(cwd, path);
}

/**
 * Stop signals that were ignored when the process started: SIGHUP by nohup, SIGINT in a shell's background. A Go
 * program keeps ignoring these two.
 * @param mask `SigIgn` of proc(5) from before Node.js reset it, in hexadecimal; undefined if unknown
 */
export function signalsIgnoredAtStart(mask = ""): readonly ("SIGHUP" | "SIGINT")[] {
  const bits = Number.parseInt(mask.slice(-1), 16);
  return [...((bits & 1) === 1 ? (["SIGHUP"] as const) : []), ...((bits & 2) === 2 ? (["SIGINT"] as const) : [])];
}
