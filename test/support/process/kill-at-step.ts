import { execFileSync } from "node:child_process";
import fs from "node:fs";
import promises, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { inspect } from "node:util";

/*
 * Writes the stores that its parent sends, and answers each with the steps that it took. A step is a change to the file
 * system; the answer also lists each sync. Before a given step it sends itself a signal: SIGKILL to leave that state
 * behind, or SIGSTOP to let another process act meanwhile.
 */

export interface WriteRequest {
  readonly store: Store;
  readonly path: string;
  readonly contents: unknown;
  /** Steps count from 1. */
  readonly stop?: { readonly step: number; readonly signal: NodeJS.Signals };
  /** Copies `from` to `<to>/<step>` before each step: the state that a kill there leaves behind. */
  readonly copies?: { readonly from: string; readonly to: string };
}

export type WriteAnswer = { readonly trace: readonly string[] } | { readonly error: string };

export type Store = keyof typeof WRITERS;

let request: WriteRequest | undefined;
let trace: string[] = [];
let steps = 0;
const open = new Map<number, string>();

function count(what: string): void {
  trace.push(what);
  steps += 1;
  if (request?.copies !== undefined) copy(request.copies.from, join(request.copies.to, String(steps)));
  if (steps === request?.stop?.step) process.kill(process.pid, request.stop.signal);
}

/** Keeps times and hard links. Locks belong to the process, so the copy has none, as after a kill. */
function copy(from: string, to: string): void {
  execFileSync("cp", ["--archive", from, to]);
}

const { open: openFile, mkdir, rename, rm, unlink, rmdir, copyFile, link } = promises;
promises.mkdir = ((...args: Parameters<typeof mkdir>) => {
  count(`mkdir ${args[0]}`);
  return mkdir(...args);
}) as typeof mkdir;
promises.open = async (...args) => {
  const [path, flags] = args;
  if (flags !== "r") count(`open ${path}`);
  return counted(await openFile(...args), String(path));
};
promises.rename = (from, to) => {
  count(`rename ${from} ${to}`);
  return rename(from, to);
};
promises.rm = (...args) => {
  count(`rm ${args[0]}`);
  return rm(...args);
};
promises.unlink = (path) => {
  count(`unlink ${path}`);
  return unlink(path);
};
promises.rmdir = (...args) => {
  count(`rmdir ${args[0]}`);
  return rmdir(...args);
};
promises.copyFile = (...args) => {
  count(`copy ${args[0]} ${args[1]}`);
  return copyFile(...args);
};
promises.link = (from, to) => {
  count(`link ${from} ${to}`);
  return link(from, to);
};

function counted(file: FileHandle, path: string): FileHandle {
  const { sync } = file;
  file.sync = () => {
    trace.push(`sync ${path}`);
    return sync.call(file);
  };
  return file;
}

const { mkdirSync, rmSync, unlinkSync, rmdirSync, openSync } = fs;
fs.mkdirSync = ((...args: Parameters<typeof mkdirSync>) => {
  count(`mkdir ${args[0]}`);
  return mkdirSync(...args);
}) as typeof fs.mkdirSync;
fs.openSync = (...args) => {
  if (args[1] !== "r") count(`open ${args[0]}`);
  return openSync(...args);
};
fs.rmSync = (...args) => {
  count(`rm ${args[0]}`);
  rmSync(...args);
};
fs.unlinkSync = (path) => {
  count(`unlink ${path}`);
  unlinkSync(path);
};
fs.rmdirSync = (...args) => {
  count(`rmdir ${args[0]}`);
  rmdirSync(...args);
};

const callbacks = { open: fs.open, fsync: fs.fsync, rename: fs.rename };
// The project's own code calls them with all arguments.
fs.open = ((path: fs.PathLike, flags: string, mode: number, done: (error: unknown, file: number) => void) => {
  count(`open ${path}`);
  callbacks.open(path, flags, mode, (error, file) => {
    if (error === null) open.set(file, String(path));
    done(error, file);
  });
}) as typeof fs.open;
fs.fsync = ((file: number, done: fs.NoParamCallback) => {
  trace.push(`sync ${open.get(file)}`);
  callbacks.fsync(file, done);
}) as typeof fs.fsync;
fs.rename = ((from: fs.PathLike, to: fs.PathLike, done: fs.NoParamCallback) => {
  count(`rename ${from} ${to}`);
  callbacks.rename(from, to, done);
}) as typeof fs.rename;
syncBuiltinESMExports();

// Modules that bind such a function on load must be imported after this.
const WRITERS = {
  cache: async () => (await import("../images/cache-writer.ts")).writeCache,
  "launch-cache": async () => (await import("../images/cache-writer.ts")).writeLaunchCache,
  layout: async () => (await import("../images/layout-writer.ts")).writeLayout,
  report: async () => (await import("../../../src/report/report-toml.ts")).writeReport,
} satisfies Readonly<Record<string, () => Promise<(path: string, contents: never) => unknown>>>;

async function write(given: WriteRequest): Promise<WriteAnswer> {
  const writer: (path: string, contents: never) => unknown = await WRITERS[given.store]();
  [request, trace, steps] = [given, [], 0];
  try {
    await writer(given.path, given.contents as never);
    return { trace };
  } catch (error) {
    return { error: inspect(error) };
  } finally {
    request = undefined;
  }
}

process.on("message", async (given: WriteRequest) => process.send?.(await write(given)));
