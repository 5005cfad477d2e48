import { basename, dirname, join } from "node:path";
import { getAsset } from "node:sea";
import threads from "node:worker_threads";
import { HIDDEN, runtimeList } from "./process-inputs.ts";

/*
 * The command as one executable file: Node's single-executable applications (nodejs.org/api/single-executable-applications.html).
 * Threads cannot be started from a file there, so they are started from an asset, whatever file piscina names.
 */
class EmbeddedWorker extends threads.Worker {
  constructor(_filename: string | URL, options: threads.WorkerOptions) {
    super(getAsset("embedded.cjs", "utf8"), { ...options, eval: true });
  }
}
Object.assign(threads, { Worker: EmbeddedWorker });

/** Gives variables of the environment the names under which only the command knows them. @returns whether there were any */
function hide(names: readonly string[]): boolean {
  const given = names.filter((name) => process.env[name] !== undefined);
  for (const name of given) {
    process.env[`${HIDDEN}${name}`] = process.env[name];
    delete process.env[name];
  }
  return given.length > 0;
}

const [executable = "", called = executable, ...args] = process.argv;
const lists = getAsset("runtime.sh", "utf8");
hide(runtimeList(lists, "library_variables"));
// Node.js has acted on these already: the process starts once more, without them.
if (hide(runtimeList(lists, "runtime_variables"))) process.execve?.(executable, [called, ...args], process.env);

// As it was called, by a link or by its own name; found on the PATH, it is where the executable is.
delete process.env.TANDEM_IGNORED_SIGNALS;
process.env.TANDEM_INVOKED_AS = called.includes("/") ? called : join(dirname(executable), basename(called));

void import("./cli.ts");
