import threads from "node:worker_threads";

/* Preloaded into a profiled export: threads do not inherit the process's profiling options. */
class ProfiledWorker extends threads.Worker {
  constructor(filename: string | URL, options: threads.WorkerOptions) {
    super(filename, { ...options, execArgv: process.execArgv.filter((flag) => flag.startsWith("--cpu-prof")) });
  }
}
Object.assign(threads, { Worker: ProfiledWorker });
