import threads from "node:worker_threads";

/*
 * Loaded by --import into a profiled export: threads take no options of the process they are in, but have to be profiled as well.
 */
class ProfiledWorker extends threads.Worker {
  constructor(filename: string | URL, options: threads.WorkerOptions) {
    super(filename, { ...options, execArgv: process.execArgv.filter((flag) => flag.startsWith("--cpu-prof")) });
  }
}
Object.assign(threads, { Worker: ProfiledWorker });
