import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openOutput } from "../../../src/report/output.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, type ExporterRun, readEvents, startProgram } from "../../support/process/exporter.ts";
import { brokenPipe } from "../../support/process/unread-pipe.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** Starts the command with a shell's redirection. */
function startRedirected(redirection: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return startProgram("/bin/sh", ["-c", `exec "$0" "$@" ${redirection}`, EXPORTER, ...args], env);
}

function opened(path: string, flags: number): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

const full = () => opened("/dev/full", constants.O_WRONLY);

interface Descriptors {
  readonly stdout?: number;
  readonly stderr?: number;
}

/** Outputs to which every write fails, by name. */
const OUTPUTS: Readonly<Record<string, () => Descriptors>> = {
  "a full device": () => ({ stdout: full() }),
  "a full device for errors": () => ({ stderr: full() }),
  "a full device for both streams": () => ({ stdout: full(), stderr: full() }),
  "a pipe without a reader": () => ({ stdout: brokenPipe() }),
  "a pipe without a reader for both streams": () => {
    const pipe = brokenPipe();
    return { stdout: pipe, stderr: pipe };
  },
  "a descriptor that is open for reading": () => {
    const file = opened(join(tempTree({ log: "" }), "log"), constants.O_RDONLY);
    return { stdout: file, stderr: file };
  },
};

describe.each(Object.keys(OUTPUTS))("a log that goes to %s", (name) => {
  const streams = () => OUTPUTS[name]?.() ?? {};

  test.each([
    ["command", ["-progress", "tty"], (args: string[]) => startProgram(EXPORTER, args, {}, streams()).ended],
    ["in process", ["-log-level", "debug", "-log-format", "json"], (args: string[]) => exportTo(streams(), args)],
  ] as const)("does not fail the export (%s, %j)", async (_, flags, run) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    expect((await run(scene.arguments({ flags }))).exitCode).toBe(0);
    await verifyImage(scene.appImage);
    await verifyImage(scene.cacheImage);
  });
});

/** Exports in this process through the outputs that the command uses. */
async function exportTo({ stdout, stderr }: Descriptors, args: readonly string[]): Promise<ExporterRun> {
  const opened = [stdout, stderr].map((descriptor) => (descriptor === undefined ? undefined : openOutput(descriptor)));
  const [out, err] = opened.map((sink) => sink?.output);
  try {
    return await exportInProcess(args, {}, { ...(out && { out }), ...(err && { err }) });
  } finally {
    for (const sink of opened) sink?.close();
  }
}

test.each([">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])("the export takes %s", async (redirection) => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const run = await startRedirected(redirection, scene.arguments({ flags: ["-log-level", "debug"] })).ended;
  expect(run.exitCode).toBe(0);
  await verifyImage(scene.appImage);
});

test("a log that reaches the file size limit ends there, and the export continues", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  // The limit, in blocks of 512 bytes, also applies to spools, which are smaller.
  const [blocks, log] = [1 << 17, join(scene.output.root, "log")];
  writeFileSync(log, "");
  truncateSync(log, 512 * blocks - 40);
  const redirected = `ulimit -f ${blocks} && exec "$0" "$@" >> ${log} 2>&1`;
  const run = await startProgram("/bin/sh", ["-c", redirected, EXPORTER, ...scene.arguments({})]).ended;
  expect(run.exitCode).toBe(0);
  expect(readFileSync(log).length).toBe(512 * blocks);
  await verifyImage(scene.appImage);
});

test("a failed export keeps its exit code if the log's device is full", async () => {
  const run = await startProgram(
    EXPORTER,
    ["-layers", "/none", "reg.example/app"],
    {},
    { stdout: full(), stderr: full() },
  ).ended;
  const shown = await startProgram(EXPORTER, ["-layers", "/none", "reg.example/app"]).ended;
  expect(shown.exitCode).not.toBe(0);
  expect(run.exitCode).toBe(shown.exitCode);
});

test.each([
  [["-version"], 0],
  [["-help"], 0],
  [["-no-such-flag"], 2],
] as const)("%j ends with its exit code when nobody reads", async ([...args], exitCode) => {
  const shown = await startProgram(EXPORTER, args).ended;
  expect(shown.exitCode).toBe(exitCode);
  for (const stream of [brokenPipe(), full()])
    expect(await startProgram(EXPORTER, args, {}, { stdout: stream, stderr: stream }).ended).toMatchObject({
      exitCode,
    });
});

describe("events", () => {
  const warnings = (stderr: string) => stderr.split("\n").filter((line) => line.includes("events"));

  test.each([
    ["a full device", () => ({ target: "/dev/full", streams: {} }), "write /dev/full: no space left on device"],
    [
      "a full descriptor",
      () => ({ target: "fd:3", streams: { third: full() } }),
      "write fd:3: no space left on device",
    ],
    [
      "a pipe without a reader",
      () => ({ target: "fd:3", streams: { third: brokenPipe() } }),
      "write fd:3: broken pipe",
    ],
  ] as const)("that go to %s are one warning", async (_, open, reason) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const { target, streams } = open();
    const run = await startProgram(EXPORTER, scene.arguments({ flags: ["-events", target] }), {}, streams).ended;
    expect(run.exitCode).toBe(0);
    expect(warnings(run.stderr)).toEqual([`Warning: Failed to write events: ${reason}`]);
    await verifyImage(scene.appImage);
  });

  test.each([
    ["fd:3", {}],
    ["3", {}],
    ["fd:9999", {}],
    ["fd:99999999999", {}],
    ["fd:x", {}],
    ["fd:", {}],
    ["fd:-1", {}],
    ["fd:0", {}],
    ["fd:3", { third: "/dev/null" }],
  ] as const)("to %s of %j are one error that names the flag", async (target, { third }: { third?: string }) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const streams = third === undefined ? {} : { third: opened(third, constants.O_RDONLY) };
    const args = scene.arguments({ flags: ["-events", target] });
    // Only these depend on the descriptors that the command inherits.
    const isOfProcess = /^(fd:)?[0-9]$/.test(target);
    const run = await (isOfProcess ? startProgram(EXPORTER, args, {}, streams).ended : exportInProcess(args));
    expect(run.exitCode).toBe(3);
    expect(run.stderr.match(/^ERROR: .*$/gm)).toEqual([
      `ERROR: failed to resolve inputs: -events (CNB_EXPORT_EVENTS) is ${target}, which is not a descriptor that the caller opened for writing`,
    ]);
    expect(existsSync(join(process.cwd(), target))).toBe(false);
  });

  test("to a descriptor that belongs to the runtime are the same error", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    for (let descriptor = 4; descriptor < 28; descriptor++) {
      const flags = ["-events", `fd:${descriptor}`];
      const run = await startProgram(EXPORTER, scene.arguments({ flags })).ended;
      expect(run).toMatchObject({ exitCode: 3, stderr: expect.stringContaining(`is fd:${descriptor}, which`) });
    }
  });

  test("in a missing directory are an error that names the flag", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const path = join(scene.output.root, "none", "events.jsonl");
    const run = await startProgram(EXPORTER, scene.arguments({ flags: ["-events", path] })).ended;
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(
      `ERROR: open ${path}: no such file or directory\nGive a writable file with -events.\n`,
    );
  });

  test("are appended to a file whose path may be relative", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const path = join(scene.output.root, "fd.jsonl");
    for (let i = 0; i < 2; i++) {
      const shell = `cd ${scene.output.root} && exec "$0" "$@"`;
      const args = ["-c", shell, EXPORTER, ...scene.arguments({ cache: "", flags: ["-events", "./fd.jsonl"] })];
      expect(await startProgram("/bin/sh", args).ended).toMatchObject({ exitCode: 0 });
    }
    expect(readEvents(path).filter(({ event }) => event === "app-image-ready")).toHaveLength(2);
  });
});

test.each(["/dev/full", "a directory"])("a timeline that goes to %s is one warning", async (place) => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const path = join(tempTree(), "timeline.json");
  if (place === "/dev/full") execFileSync("ln", ["-s", place, path]);
  else mkdirSync(path);
  const run = await startProgram(EXPORTER, scene.arguments({ flags: ["-timeline", path] })).ended;
  expect(run.exitCode).toBe(0);
  const reason = place === "/dev/full" ? `write ${path}: no space left on device` : `open ${path}: is a directory`;
  expect(run.stderr.split("\n").filter((line) => line.includes("timeline"))).toEqual([
    `Warning: Failed to write timeline: ${reason}`,
  ]);
});

test("a full disk loses log, events and timeline, but no image", async (context) => {
  const disk = smallDisk("size=64k");
  if (disk === undefined) return context.skip(NO_SMALL_DISK);
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const [log, events, timeline] = ["log", "events.jsonl", "timeline.html"].map((name) => join(disk, name));
  const flags = ["-events", events ?? "", "-timeline", timeline ?? "", "-log-level", "debug"];
  // Space for one page of events.
  writeFileSync(join(disk, "rest"), Buffer.alloc(56 << 10));
  const stdout = opened(log ?? "", constants.O_WRONLY | constants.O_CREAT);
  const run = await startProgram(EXPORTER, scene.arguments({ flags }), {}, { stdout }).ended;
  expect(run.exitCode).toBe(0);
  expect(run.stderr.match(/^Warning: Failed to write .*$/gm)?.toSorted()).toEqual([
    `Warning: Failed to write events: write ${events}: no space left on device`,
    `Warning: Failed to write timeline: write ${timeline}: no space left on device`,
  ]);
  await verifyImage(scene.appImage);
});
