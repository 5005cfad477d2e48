import fs from "node:fs";
import promises, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/*
 * node kill-at-step.ts <step> <signal> <store> <directory> <contents as JSON>: writes a store and sends itself a signal before the
 * step with that number, counted from 1: SIGKILL, so that a test can look at what every moment leaves behind, or SIGSTOP, so that
 * something else can happen meanwhile. A step is a change to the file system.
 * With a step that does not come it prints all of them, and between them each wait for the disk, which a kill does not see.
 */
const [, , step = "", signal = "", store = "", directory = "", contents = ""] = process.argv;
const trace: string[] = [];
let steps = 0;
const open = new Map<number, string>();

function count(what: string): void {
  trace.push(what);
  steps += 1;
  if (steps === Number(step)) process.kill(process.pid, signal);
}

const { open: openFile, mkdir, rename, rm, copyFile, link } = promises;
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
const write = {
  cache: async () => (await import("./cache-writer.ts")).writeCache(directory, JSON.parse(contents)),
  "launch-cache": async () => (await import("./cache-writer.ts")).writeLaunchCache(directory, JSON.parse(contents)),
  layout: async () => (await import("./layout-writer.ts")).writeLayout(directory, JSON.parse(contents)),
  report: async () => (await import("../../src/report/report-toml.ts")).writeReport(directory, JSON.parse(contents)),
}[store];
if (write === undefined) throw new Error(`no store ${store}`);
await write();
console.log(trace.join("\n"));
