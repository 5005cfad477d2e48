import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import { HeadlessTerminal } from "../../support/output/headless-terminal.ts";
import { EXPORTER } from "../../support/process/exporter.ts";
import { waitsToWrite } from "../../support/process/process-state.ts";
import { unreadPipe } from "../../support/process/unread-pipe.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { WAIT, within } from "../../support/runner/time-limits.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** script(1) of util-linux runs a program on its own terminal. */
const hasScript = /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "");

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Runs the command on a pseudo-terminal. @param onOutput gets the output so far */
async function runOnTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onOutput: (all: string) => void = () => undefined,
): Promise<{ readonly exitCode: number | null; readonly output: string }> {
  const command = `stty cols 70 rows 20; exec ${[EXPORTER, ...args].map(quoted).join(" ")}`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { PATH: process.env.PATH ?? "", CNB_PLATFORM_API: "0.13", TERM: "xterm", LANG: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    onOutput(output);
  });
  const [exitCode] = await once(child, "close");
  return { exitCode, output };
}

/** The final contents of the terminal. */
async function seen(output: string): Promise<string[]> {
  const terminal = new HeadlessTerminal(70, 20);
  terminal.write(output);
  return terminal.lines();
}

/** An export whose first upload waits until `isSeen` accepts the command's output. */
async function heldExport(env: Readonly<Record<string, string>>, isSeen: (output: string) => boolean) {
  const registry = await FakeRegistry.start();
  const scene = await Scene.open(registry);
  const looked = Promise.withResolvers<void>();
  registry.faults.add({
    method: "PATCH",
    target: /app\/blobs/,
    action: {
      around: async (proceed) => {
        await looked.promise;
        return proceed();
      },
    },
  });
  const run = await runOnTerminal(scene.arguments({ cache: "" }), env, (output) => {
    if (isSeen(output)) looked.resolve();
  });
  return { ...run, lines: await seen(run.output) };
}

const missing = hasScript ? "" : " (needs util-linux's script)";

test.skipIf(!hasScript)(`bars are drawn on a terminal and gone at the end${missing}`, async () => {
  const { exitCode, output, lines } = await heldExport({}, (text) => /app image .*━?/.test(text) && text.includes("→"));
  expect(exitCode).toBe(0);
  expect(output).toContain("\u001b[?2026h");
  expect(lines.filter((line) => /[→━─]/.test(line))).toEqual([]);
  expect(lines).toContain("Adding layer 'samples/java:jdk'");
  expect(lines.filter((line) => line.startsWith("*** Images"))).toHaveLength(1);
  // The cursor was hidden and is visible again.
  expect(output.lastIndexOf("\u001b[?25h")).toBeGreaterThan(output.lastIndexOf("\u001b[?25l"));
});

test
  .skipIf(!hasScript)
  .for([
    [{ TERM: "dumb" }],
    [{ CI: "true" }],
    [{ CNB_EXPORT_PROGRESS: "none" }],
    [{ CNB_LOG_LEVEL: "warn" }],
    [{ CNB_EXPORT_LOG_FORMAT: "json" }],
  ] as const)(`nothing moves on a terminal with %j${missing}`, async ([env]) => {
  const { exitCode, output } = await heldExport(env, () => true);
  expect(exitCode).toBe(0);
  expect(output).not.toContain("\u001b");
});

test.skipIf(!hasScript)(`a signal ends it while a terminal shows nothing more${missing}`, async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.open(registry);
  const arrived = registry.faults.hold({ method: "PATCH", target: /app\/blobs/ });
  const directory = tempTree();
  const said = (name: string) => {
    const path = join(directory, name);
    return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  };
  const own = ["sh", "-c", `echo $$ > ${directory}/pid; exec "$0" "$@"`, EXPORTER, "-progress", "tty"];
  const command = [...own, ...scene.arguments({ cache: "", flags: ["-log-level", "debug"] })].map(quoted).join(" ");
  // Unread output has filled the terminal before the exporter starts.
  const filling = `yes & echo $! > ${directory}/yes; while ! [ -f ${directory}/go ]; do sleep 0.05; done`;
  // The shell would wait for the terminal to tell of a command that ended by the signal.
  const quiet = `exec 3>&1 >/dev/null 2>&1; (exec ${command} >&3 2>&3 3>&-); echo $? > ${directory}/status`;
  const child = spawn("script", ["-qec", `${filling}; ${quiet}`, "/dev/null"], {
    env: { PATH: process.env.PATH ?? "", CNB_PLATFORM_API: "0.13", TERM: "xterm", LANG: "C.UTF-8" },
    stdio: ["ignore", unreadPipe().writer, "inherit"],
  });
  // Closing a terminal sends SIGHUP to the programs that run on it.
  onTestFinished(() => void child.kill("SIGKILL"));
  await vi.waitFor(() => expect(waitsToWrite(Number(said("yes")))).toBe(true), WAIT);
  writeFileSync(join(directory, "go"), "");
  await arrived;
  await within(1000, async () => {
    process.kill(Number(said("pid")), "SIGTERM");
    await vi.waitFor(() => expect(said("status")).toBe("143"), WAIT);
  });
});
