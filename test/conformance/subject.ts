import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type CommandRun, InProcessCommand } from "../support/process/in-process.ts";
import { CASE_ROOT } from "./materialize.ts";

/** Runs the command in the case's root with exactly this environment, as the user who runs the tests. */
export interface Runner {
  run(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandRun>;
}

/**
 * The command under test, ours or the reference, reachable by the names that a lifecycle has. Its files end with the
 * stage.
 */
export class Subject implements Runner {
  readonly #directory = mkdtempSync(join(tmpdir(), "conformance-subject-"));

  /** @param executable absolute path; it must find out itself by which name it was started */
  constructor(executable: string) {
    for (const program of ["exporter", "lifecycle"]) symlinkSync(executable, join(this.#directory, program));
  }

  async run(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandRun> {
    const script = 'umask 022; exec "$0" "$@"';
    const child = spawn("/bin/sh", ["-c", script, join(this.#directory, program), ...args], {
      cwd: CASE_ROOT,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
    await once(child, "close");
    return { exitCode: child.exitCode, stdout: await stdout, stderr: await stderr };
  }
}

const ROOT = 0;

/**
 * Our command in the stage's process. What it needs of a process is lent to it: working directory, umask, time zone,
 * and a user, which can be taken back because it is only the effective one. One run at a time.
 */
export class InProcess implements Runner {
  readonly #command = new InProcessCommand(1);

  async run(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandRun> {
    process.chdir(CASE_ROOT);
    process.umask(0o022);
    // Of the process too, since dates are printed in it.
    process.env.TZ = env.TZ ?? "UTC";
    try {
      const home = env.HOME ?? join(CASE_ROOT, "home");
      return await this.#command.run({ program, args, env, cwd: CASE_ROOT, home, runAs: become });
    } finally {
      become(ROOT, ROOT);
    }
  }
}

/** Of all threads of the process. Root's rights go and come with the effective user. */
function become(uid: number, gid: number): void {
  if (uid === ROOT) process.seteuid?.(uid);
  process.setegid?.(gid);
  process.seteuid?.(uid);
}
