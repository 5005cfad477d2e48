import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CASE_ROOT } from "./materialise.ts";

/** How a run of the command ended. */
export interface CommandRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in the case's root with exactly this environment, as the user who runs the tests. */
export interface Runner {
  run(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<CommandRun>;
}

/** The command under test, ours or the reference, reachable by the names that a lifecycle has. Its files end with the stage. */
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
