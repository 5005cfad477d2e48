import { chmodSync, closeSync, constants, createReadStream, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FakeBuild, PHASES } from "../../support/creator/fake-build.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { isRunning } from "../../support/network/server-process.ts";
import type { RunningExporter, Streams } from "../../support/process/exporter.ts";
import { handlesSigterm, waitsToWrite } from "../../support/process/process-state.ts";
import { brokenPipe, fill, makeFifo, unreadPipe, unreadSocket } from "../../support/process/unread-pipe.ts";
import { WAIT, within } from "../../support/runner/time-limits.ts";

const FLAGS = ["-no-color"];

async function expectStop({ process, ended }: RunningExporter): Promise<void> {
  const { status } = await within(1000, () => {
    process.kill("SIGTERM");
    return ended;
  });
  expect(status).toBe(143);
}

describe("while no process reads the log", () => {
  test.each([
    ["pipe", async () => unreadPipe()],
    ["socket", unreadSocket],
  ] as const)("of a full %s, a signal ends the creator before the first phase", async (_, open) => {
    const build = await FakeBuild.open();
    const { writer } = await open();
    const running = build.start({ flags: FLAGS, streams: { stdout: writer } });
    await vi.waitFor(() => expect(handlesSigterm(running.process.pid)).toBe(true), WAIT);
    await expectStop(running);
    expect(build.called).toEqual([]);
  });

  test("a signal ends a phase that waits to write", async () => {
    const build = await FakeBuild.open();
    build.script("builder", 'echo $$ > "$FAKE_DIR/pid"; exec yes\n');
    const running = build.start({ flags: FLAGS, streams: { stdout: unreadPipe(makeFifo(), false).writer } });
    await vi.waitFor(() => expect(waitsToWrite(Number(build.record("pid")))).toBe(true), WAIT);
    await expectStop(running);
    await vi.waitFor(() => expect(isRunning(Number(build.record("pid")))).toBe(false), WAIT);
  });

  test("the export is complete, and a signal ends the wait for the reader", async () => {
    const build = await FakeBuild.open();
    // Its own lines are written by then: a phase waits for the reader.
    build.script("builder", 'echo spoken > "$FAKE_DIR/spoken"; while ! [ -f "$FAKE_DIR/go" ]; do sleep 0.05; done\n');
    const fifo = makeFifo();
    const running = build.start({ flags: FLAGS, streams: { stdout: unreadPipe(fifo, false).writer } });
    await vi.waitFor(() => expect(build.record("spoken")).toBe("spoken\n"), WAIT);
    fill(fifo);
    build.write("go", "");
    await vi.waitFor(() => expect(build.registry.manifests.find("app", "latest")).toBeDefined(), WAIT);
    await expectStop(running);
    await verifyImage(build.image);
  });
});

test.each([
  ["pipe", async () => unreadPipe()],
  ["socket", unreadSocket],
] as const)("a slow reader of a %s gets the lines of creator and phases in order", async (_, open) => {
  const build = await FakeBuild.open();
  const { writer, read } = await open();
  const running = build.start({ flags: FLAGS, streams: { stdout: writer } });
  await vi.waitFor(() => expect(handlesSigterm(running.process.pid)).toBe(true), WAIT);
  expect(await read()).toMatch(
    /^===> ANALYZING\nanalyzer speaks\n===> DETECTING\ndetector speaks\n===> RESTORING\nrestorer speaks\n===> BUILDING\nbuilder speaks\n===> EXPORTING\nAdding layer(?:.*\n)+$/,
  );
  expect((await running.ended).exitCode).toBe(0);
});

function full(): number {
  const descriptor = openSync("/dev/full", constants.O_WRONLY);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

test.each<[string, () => Streams]>([
  ["a full device", () => ({ stdout: full(), stderr: full() })],
  ["a pipe without a reader", () => ({ stdout: brokenPipe() })],
  ["a pipe without a reader for errors", () => ({ stderr: brokenPipe() })],
  [
    "a pipe without a reader for both streams",
    () => {
      const pipe = brokenPipe();
      return { stdout: pipe, stderr: pipe };
    },
  ],
])("a log that goes to %s fails neither a phase nor the export", async (_, open) => {
  const build = await FakeBuild.open();
  // As a buildpack whose author wants every failure to end it.
  for (const phase of PHASES) build.script(phase, "set -e; echo said; /bin/echo said >&2; /bin/echo said\n");
  const run = await build.start({ flags: FLAGS, streams: open() }).ended;
  expect(run.exitCode).toBe(0);
  expect(build.called).toEqual(PHASES);
  await verifyImage(build.image);
});

test.each(["-log-level=error", "-log-format=json"])("the same with %s", async (flag) => {
  const build = await FakeBuild.open();
  build.script("builder", "set -e; /bin/echo said\n");
  const run = await build.start({ flags: [flag], streams: { stdout: brokenPipe() } }).ended;
  expect(run.exitCode).toBe(0);
});

describe("before the first phase, an error is", () => {
  const missing = () => {
    const parent = tempTree();
    chmodSync(parent, 0o755);
    return join(parent, "none");
  };
  const unwritable = () => (process.getuid?.() === 0 ? tempTree() : "/");

  test.each<[string, () => string, number, string]>([
    [
      "-events",
      () => join(missing(), "events.jsonl"),
      1,
      "open TARGET: no such file or directory\nGive a writable file",
    ],
    ["-events", () => tempTree(), 1, "open TARGET: is a directory\nGive a writable file"],
    ["-events", () => join(unwritable(), "events.jsonl"), 1, "open TARGET: permission denied\nGive a writable file"],
    [
      "-spool-dir",
      missing,
      62,
      "failed to export: failed to create a spool file in TARGET: no such file or directory\n",
    ],
    ["-spool-dir", unwritable, 62, "failed to export: failed to create a spool file in TARGET: permission denied\n"],
    ["-events", () => "fd:5", 3, "failed to resolve inputs: -events (CNB_EXPORT_EVENTS) is TARGET"],
  ])("%s that the export could not use", async (flag, open, exitCode, message) => {
    const build = await FakeBuild.open();
    const target = open();
    const run = await build.create({ flags: [...FLAGS, flag, target] });
    expect(run).toMatchObject({
      exitCode,
      stderr: expect.stringContaining(`ERROR: ${message.replace("TARGET", target)}`),
    });
    expect(build.called).toEqual([]);
  });
});

test("a reader that has opened a FIFO for events gets those of the export", async () => {
  const build = await FakeBuild.open();
  const fifo = makeFifo();
  for (const path of [fifo, dirname(fifo)]) chmodSync(path, 0o777);
  const events = text(createReadStream(fifo));
  expect((await build.create({ flags: [...FLAGS, "-events", fifo] })).exitCode).toBe(0);
  expect(await events).toContain('"event":"summary"');
});
