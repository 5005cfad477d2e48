import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";

const SCRIPT = join(import.meta.dirname, "directory-owner.ts");

/** True if strace can make a program's system calls fail, to imitate file systems that tests do not have. */
export const canTrace = spawnSync("strace", ["-qq", "-o", "/dev/null", "true"]).status === 0;

export interface Owner {
  readonly answer: "owned" | "taken" | "unlocked";
  release(): Promise<void>;
  kill(): Promise<void>;
}

/** @param wrapper a command that runs the process, such as `unshare --pid --fork` */
export async function startOwner(path: string, ...wrapper: readonly string[]): Promise<Owner> {
  const [command = "", ...args] = [...wrapper, process.execPath, SCRIPT, path];
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const end = async (how: (child: ChildProcess) => void): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "close");
    how(child);
    await closed;
  };
  const kill = () => end(() => child.kill("SIGKILL"));
  onTestFinished(kill);
  const lines = createInterface(child.stdout);
  const [answer] = await once(lines, "line");
  return { answer, release: () => end(() => child.stdin.end()), kill };
}
