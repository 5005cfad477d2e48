import { basename, dirname, join } from "node:path";
import { getAsset } from "node:sea";
import threads from "node:worker_threads";

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

// As it was called, by a link or by its own name; found on the PATH, it is where the executable is.
const [executable = "", called = executable] = process.argv;
process.env.TANDEM_INVOKED_AS ??= called.includes("/") ? called : join(dirname(executable), basename(called));

void import("./cli.ts");
