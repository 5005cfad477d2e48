import { getAsset } from "node:sea";
import threads from "node:worker_threads";
import { HIDDEN, runtimeList } from "../process/environment.ts";
import { embeddedModules } from "./modules.ts";

/*
 * Entry of the single executable application (nodejs.org/api/single-executable-applications.html), which
 * launcher/launcher.c starts. It has no files to start threads from, so they start from an asset, whatever file piscina
 * names.
 */
class EmbeddedWorker extends threads.Worker {
  constructor(_filename: string | URL, options: threads.WorkerOptions) {
    super(getAsset("embedded.cjs", "utf8"), { ...options, eval: true });
  }
}
Object.assign(threads, { Worker: EmbeddedWorker });

// The launcher hides the whole environment. Variables that Node.js and the bundled libraries must not see stay hidden;
// the rest get their names back.
const lists = getAsset("runtime.sh", "utf8");
const names = new Set(["runtime_variables", "library_variables"].flatMap((name) => runtimeList(lists, name)));
const hidden: string[] = [];
for (const [name, value] of Object.entries(process.env)) {
  const given = name.startsWith(HIDDEN) ? name.slice(HIDDEN.length) : undefined;
  if (given === undefined) continue;
  if (names.has(given)) {
    hidden.push(given);
    continue;
  }
  delete process.env[name];
  // The launcher's own variables.
  if (!given.startsWith("TANDEM_")) process.env[given] = value;
}
process.env.TANDEM_HIDDEN = hidden.join(" ");
process.env.TANDEM_INVOKED_AS = process.argv[1];

embeddedModules().require("./cli.cjs");
