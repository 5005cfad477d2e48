import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { compiledName, ModuleLoader } from "../src/executable/modules.ts";

/*
 * Writes the compiled code of all modules in a directory, beside them. Must run in the Node.js that will load it. Runs the
 * command itself, which fails for lack of input: functions that have run by then are compiled, too; the others on first use.
 */

const [, , directory = ""] = process.argv;
const loader = new ModuleLoader({ source: (name) => readFileSync(join(directory, name), "utf8") });

// Flushed bytecode and optimized functions depend on timing and would change the caches. V8 accepts a cache only with the flags
// of its creation, so the flags are reset first.
const TIMED = ["flush-bytecode", "sparkplug", "maglev", "turbofan"];
for (const flag of TIMED) setFlagsFromString(`--no-${flag}`);

process.once("exit", () => {
  for (const flag of TIMED) setFlagsFromString(`--${flag}`);
  for (const name of readdirSync(directory).filter((file) => /\.c?js$/.test(file))) {
    const script = loader.scripts.get(name) ?? loader.compile(name);
    writeFileSync(join(directory, compiledName(name)), script.createCachedData());
  }
  process.exitCode = 0;
});

process.argv = ["", "", "-layers", "/nonexistent", "-app", "/nonexistent", "-uid", "1", "-gid", "1", "example.com/app"];
process.env.CNB_PLATFORM_API = "0.13";
process.env.TANDEM_INVOKED_AS = "exporter";
loader.require("./cli.cjs");
