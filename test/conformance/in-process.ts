import { join } from "node:path";
import { engineParts } from "../../src/export/engine-parts.ts";
import type { Compression } from "../../src/layers/block-encoder.ts";
import { WorkerPool } from "../../src/layers/worker-pool.ts";
import { runProgram } from "../../src/program.ts";
import type { LineSink } from "../../src/report/log.ts";
import { CASE_ROOT } from "./materialise.ts";
import type { CommandRun, Runner } from "./subject.ts";

const ROOT = 0;

/** Threads that are lent to one export after the other. */
class LastingPool extends WorkerPool {
  override async close(): Promise<void> {}

  async end(): Promise<void> {
    await super.close();
  }
}

/**
 * Our command in this process, for the time that starting one takes. What it needs of a process is lent to it: working
 * directory, umask, threads, and a user, which can be taken back because it is only the effective one. One run at a time.
 */
export class InProcess implements Runner, AsyncDisposable {
  #pool: LastingPool | undefined;

  async run(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandRun> {
    const [out, err] = [new Lines(), new Lines()];
    const before = { cwd: process.cwd(), umask: process.umask(0o022) };
    process.chdir(CASE_ROOT);
    // Of the process too, since dates are printed in it.
    process.env.TZ = env.TZ ?? "UTC";
    try {
      const own = { program, args, env, cwd: CASE_ROOT, home: env.HOME ?? join(CASE_ROOT, "home") };
      const startThreads = (_: number, compression: Compression) => this.#threads(compression);
      const parts = { ...own, out, err, runAs: become, startThreads };
      const exitCode = await runProgram(parts, new AbortController().signal);
      // What a failed export has left undone is nothing for the next one to wait for.
      if (exitCode !== 0) await this[Symbol.asyncDispose]();
      return { exitCode, stdout: out.text, stderr: err.text };
    } finally {
      become(ROOT, ROOT);
      process.chdir(before.cwd);
      process.umask(before.umask);
    }
  }

  #threads(compression: Compression): WorkerPool {
    this.#pool ??= new LastingPool(engineParts().entries, 1, compression);
    return this.#pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.end();
  }
}

class Lines implements LineSink {
  text = "";

  write(lines: string): void {
    this.text += lines;
  }
}

/** Of all threads of the process. Root's rights go and come with the effective user. */
function become(uid: number, gid: number): void {
  if (uid === ROOT) process.seteuid?.(uid);
  process.setegid?.(gid);
  process.seteuid?.(uid);
}
