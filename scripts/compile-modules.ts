import fs, { readdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { GCProfiler, setFlagsFromString } from "node:v8";
import { compiledName, ModuleLoader } from "../src/executable/modules.ts";

/*
 * Writes the compiled code of all modules in a directory, beside them: the same bytes each time and on every machine. Runs in the
 * Node.js that will load it, with COMPILE_FLAGS of build-binary.ts. Runs the command, which fails for lack of input, so that the
 * functions that every run calls are compiled too; V8 compiles the others on their first call.
 */

const [, , directory = ""] = process.argv;
const names = readdirSync(directory).filter((file) => /\.c?js$/.test(file));
const sources = new Map(names.map((name) => [name, readFileSync(join(directory, name), "utf8")]));
const loader = new ModuleLoader({ source: (name) => sources.get(name) ?? "" });

// V8 does not initialize the padding of its objects, and the cache contains it. Fresh memory is zero, but memory that the garbage
// collector freed has former contents, which depend on timing. So the collector must not run.
const profiler = new GCProfiler();
profiler.start();

// Optimizations depend on timing, too.
const TIMED = ["sparkplug", "maglev", "turbofan"];
for (const flag of TIMED) setFlagsFromString(`--no-${flag}`);

process.once("exit", () => {
  const scripts = names.map((name) => [name, loader.scripts.get(name) ?? loader.compile(name)] as const);
  // V8 accepts compiled code only with the flags that it was made with.
  for (const flag of TIMED) setFlagsFromString(`--${flag}`);
  const made = scripts.map(
    ([name, script]) => [join(directory, compiledName(name)), script.createCachedData()] as const,
  );
  const collections = profiler.stop()?.statistics.length;
  if (collections !== 0) {
    // Keeps the exit code of the command's failure.
    console.error(`the compiled code is not reproducible: V8 collected garbage ${collections} times\nEnlarge its heap`);
    return;
  }
  for (const [path, compiled] of made) writeFileSync(path, compiled);
  process.exitCode = 0;
});

// The command must take the same path on every machine: it sees one core, no control groups and no files of a user.
os.availableParallelism = () => 1;
fs.readFileSync = () => {
  throw Object.assign(new Error("ENOENT: no such file or directory"), {
    code: "ENOENT",
    errno: -os.constants.errno.ENOENT,
  });
};
process.env.HOME = "/nonexistent";
process.env.CNB_PLATFORM_API = "0.13";
process.env.TANDEM_INVOKED_AS = "exporter";
process.argv = ["", "", "-layers", "/nonexistent", "-app", "/nonexistent", "-uid", "1", "-gid", "1", "example.com/app"];
loader.require("./cli.cjs");
