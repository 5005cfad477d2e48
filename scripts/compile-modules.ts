import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GCProfiler, setFlagsFromString } from "node:v8";
import { compiledName, ModuleLoader } from "../src/executable/modules.ts";

/*
 * Writes the compiled code of all modules in a directory beside them, byte-identical every time and on every machine.
 * Runs in the Node.js that will load it, with COMPILE_FLAGS of bundle.ts.
 */

const [, , directory = ""] = process.argv;
const names = readdirSync(directory).filter((file) => /\.c?js$/.test(file));
// The name of a file is part of its compiled code.
const loader = new ModuleLoader("/tandem", { source: (name) => readFileSync(join(directory, name), "utf8") });

// V8 does not initialize the padding of its objects, and the cache contains it. Fresh memory is zero, but memory that
// the garbage collector freed has former contents, which depend on timing. So the collector must not run.
const profiler = new GCProfiler();
profiler.start();

// All functions at once: by default V8 compiles a function at its first call, and a small export calls 1,400 of them.
setFlagsFromString("--no-lazy");
const scripts = names.map((name) => [name, loader.compile(name)] as const);
// V8 accepts compiled code only with the flags that it was made with.
setFlagsFromString("--lazy");
const made = scripts.map(([name, script]) => [join(directory, compiledName(name)), script.createCachedData()] as const);

const collections = profiler.stop()?.statistics.length;
if (collections === 0) for (const [path, compiled] of made) writeFileSync(path, compiled);
else {
  // An uncaught error would print the line that it comes from, which is the whole bundle.
  console.error(`the compiled code is not reproducible: V8 collected garbage ${collections} times\nEnlarge its heap`);
  process.exitCode = 1;
}
