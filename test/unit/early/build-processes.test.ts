import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { hasLostFirstThread, mayBelongToBuild } from "../../../src/early/build-processes.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { statFields } from "../../support/process/process-state.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

/** No process has it. */
const SESSION = 999_999_999;

/** Starts a program that ends with its input, and waits for the first line that it or a process of it prints. */
async function start(program: string, args: readonly string[], detached = true) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], detached });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.stdin.end();
    await closed;
  });
  return { child, line: await nextLine(child) };
}

async function nextLine({ stdout }: Pick<ChildProcess, "stdout">): Promise<string> {
  if (stdout === null) throw new Error("no output");
  const [line] = await once(stdout, "data");
  return String(line).trim();
}

async function startedPid(script: string, detached = true): Promise<string> {
  return (await start("sh", ["-c", script], detached)).line;
}

function startTicks(child: ChildProcess): number {
  return Number(statFields(`/proc/${child.pid}`)[19]);
}

const WAITING = "echo $$; read -r line";

/** Its parent ends at once. */
const ORPHAN = "(setsid sh -c 'echo $$; exec sleep 600 >/dev/null' &)";

const hasSetsid = findProgram("setsid") !== undefined;

describe("a process that may not be inspected", () => {
  test("may belong to the build if a child of the creator founded its session", async () => {
    expect(mayBelongToBuild(await startedPid(WAITING), SESSION)).toBe(true);
  });

  test.runIf(hasSetsid)("may belong to the build as an orphan with a session of its own", async () => {
    const pid = await startedPid(ORPHAN);
    onTestFinished(() => void process.kill(Number(pid)));
    expect(mayBelongToBuild(pid, SESSION)).toBe(true);
  });

  test("belongs to the build in the builder's session", async () => {
    const pid = await startedPid(WAITING, false);
    expect(mayBelongToBuild(pid, Number(statFields(`/proc/${pid}`)[3]))).toBe(true);
  });

  test("does not belong to the build in the creator's session, which the phases have left", async () => {
    expect(mayBelongToBuild(await startedPid(WAITING, false), SESSION)).toBe(false);
  });

  test("does not belong to the build if it is older than the creator", () => {
    expect(mayBelongToBuild(String(process.ppid), SESSION)).toBe(false);
    expect(mayBelongToBuild("1", SESSION)).toBe(false);
  });

  /** Another process than this one as the creator: it answers for the process IDs that it reads. */
  const CREATOR = `import { createInterface } from "node:readline";
    import { mayBelongToBuild } from "${pathToFileURL(join(ROOT, "src", "early", "build-processes.ts")).href}";
    console.log("ready");
    for await (const pid of createInterface(process.stdin)) console.log(mayBelongToBuild(pid, ${SESSION}));`;

  test.runIf(hasSetsid)(
    "does not belong to the build if an older process started it that stays its parent",
    async () => {
      const older = await start("sh", ["-c", `echo; read -r line; setsid sh -c '${WAITING}'`]);
      const creator = await vi.waitFor(async () => {
        const { child } = await start(process.execPath, ["--input-type=module", "-e", CREATOR]);
        expect(startTicks(child)).toBeGreaterThan(startTicks(older.child));
        return child;
      }, WAIT);
      older.child.stdin.write("go on\n");
      const foreign = await nextLine(older.child);
      expect(mayBelongToBuild(foreign, SESSION)).toBe(true);
      creator.stdin.write(`${foreign}\n`);
      expect(await nextLine(creator)).toBe("false");
    },
  );

  test("does not belong to the build once it has ended, even if its parent never waits for it", async () => {
    const pid = await startedPid("sh -c 'echo $$' & exec cat");
    await vi.waitFor(() => expect(statFields(`/proc/${pid}`)[0]).toBe("Z"), WAIT);
    expect(hasLostFirstThread(pid)).toBe(false);
    expect(mayBelongToBuild(pid, SESSION)).toBe(false);
    expect(mayBelongToBuild("999999999", SESSION)).toBe(false);
  });
});
