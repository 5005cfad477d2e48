import { accessSync, constants, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { measure } from "../../bench/run/measure.ts";

const shell = (script: string, onLine: (line: string) => void = () => undefined) =>
  measure({ command: "/bin/sh", args: ["-c", script], env: { VARIABLE: "value" }, onLine });

test("lines of stdout, stderr and descriptor 3 are reported", async () => {
  const lines: string[] = [];
  await shell('echo "$VARIABLE"; echo error >&2; echo event >&3', (line) => lines.push(line));
  expect(lines.sort()).toEqual(["error", "event", "value"]);
});

test("CPU time and memory include child processes", async () => {
  const count = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
  const { cpuMs, wallMs, peakBytes, anonymousBytes } = await shell(`/bin/sh -c '${count}'; exit 0`);
  expect(cpuMs).toBeGreaterThan(20);
  expect(wallMs).toBeGreaterThan(20);
  expect(peakBytes).toBeGreaterThan(100_000);
  expect(anonymousBytes).toBeGreaterThan(10_000);
  expect(anonymousBytes).toBeLessThan(peakBytes);
});

test("a failure reports the exit code and the last output", async () => {
  await expect(shell("echo reason >&2; exit 7")).rejects.toThrow(/ended with 7:\nreason/);
});

/** A directory in which control groups can be created. */
function writableRoot(): string | undefined {
  return ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"].find((root) => {
    try {
      accessSync(root, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const root = writableRoot();

test.runIf(root)("a command can run in its own control group, which is removed afterwards", async () => {
  const lines: string[] = [];
  const command = { command: "/bin/cat", args: ["/proc/self/cgroup"], onLine: (line: string) => lines.push(line) };
  await measure({ ...command, ownGroup: true });
  const [group = ""] = /tandem-bench-\d+$/m.exec(lines.join("\n")) ?? [];
  expect(group).not.toBe("");
  expect(readdirSync(root ?? "")).not.toContain(group);
});
