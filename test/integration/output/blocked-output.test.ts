import { closeSync, constants, createReadStream, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, expect, test, vi } from "vitest";
import { exportEventSchema } from "../../../src/observe/events.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, type RunningExporter, type Streams, startProgram } from "../../support/process/exporter.ts";
import { blocks, waitsToOpenFifo } from "../../support/process/process-state.ts";
import { fill, makeFifo, type Unread, unreadPipe, unreadSocket } from "../../support/process/unread-pipe.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { WAIT, within } from "../../support/runner/time-limits.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { asFake, Scene } from "../../support/scenes/scene.ts";

const STATUS = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 } as const;
const SIGNALS = Object.entries(STATUS) as [keyof typeof STATUS, number][];

/** Without a cache, the log begins with a warning. */
function start(scene: Scene, flags: readonly string[], streams: Streams = {}): RunningExporter {
  const args = scene.arguments({ cache: "", flags: ["-log-level", "debug", ...flags] });
  return startProgram(EXPORTER, args, {}, streams);
}

function expectImage({ app }: Scene): void {
  expect(asFake(app).manifests.find("app", "latest")).toBeDefined();
}

/** Expects that the signal ends the process within a second. */
async function expectStop({ process, ended }: RunningExporter, signal: keyof typeof STATUS): Promise<void> {
  const { status } = await within(1000, () => {
    process.kill(signal);
    return ended;
  });
  expect(status).toBe(STATUS[signal]);
}

const LOGS: Readonly<Record<string, () => Promise<Streams>>> = {
  "an unread pipe": async () => ({ stdout: unreadPipe().writer }),
  "an unread socket": async () => ({ stdout: (await unreadSocket()).writer }),
  "an unread pipe for both streams": async () => {
    const { writer } = unreadPipe();
    return { stdout: writer, stderr: writer };
  },
  "an unread pipe for errors": async () => ({ stderr: unreadPipe().writer }),
};

describe.each(Object.keys(LOGS))("while the log goes to %s", (name) => {
  const streams = () => LOGS[name]?.();

  async function held(target: RegExp) {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    return { scene, arrived: registry.faults.hold({ method: "GET", target }, { method: "PATCH", target }) };
  }

  test.each(SIGNALS)("%s ends the export before it begins", async (signal) => {
    const { scene, arrived } = await held(/run\/manifests/);
    const running = start(scene, [], await streams());
    await arrived;
    await expectStop(running, signal);
  });

  test("a signal ends an upload", async () => {
    const { scene, arrived } = await held(/app\/blobs/);
    const running = start(scene, [], await streams());
    await arrived;
    // For other processes that write to it.
    await vi.waitFor(
      () => expect([1, 2].map((stream) => blocks(running.process.pid, stream))).toEqual([true, true]),
      WAIT,
    );
    await expectStop(running, "SIGTERM");
    expect(asFake(scene.app).manifests.find("app", "latest")).toBeUndefined();
  });

  test("the export is complete, and a signal ends the wait for the reader", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const running = start(scene, [], await streams());
    await vi.waitFor(() => expectImage(scene), WAIT);
    await verifyImage(scene.appImage);
    await expectStop(running, "SIGINT");
  });
});

test.each([
  ["pipe", async () => unreadPipe()],
  ["socket", unreadSocket],
] as const)("a slow reader of a %s gets all lines of the log in order", async (_, open: () => Promise<Unread>) => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const argumentsOf = (name: string) =>
    scene.arguments({ images: [`${scene.app.host}/${name}`], cache: "", flags: ["-log-level", "info"] });
  const fast = await exportInProcess(argumentsOf("fast"));
  const { writer, read } = await open();
  const slow = startProgram(EXPORTER, argumentsOf("slow"), {}, { stdout: writer });
  await vi.waitFor(() => expect(asFake(scene.app).manifests.find("slow", "latest")).toBeDefined(), WAIT);
  expect(slow.process.exitCode).toBeNull();
  expect((await read()).replaceAll("slow", "fast")).toBe(fast.stdout);
  expect((await slow.ended).exitCode).toBe(0);
});

describe("events", () => {
  const parse = (lines: string) =>
    lines
      .trimEnd()
      .split("\n")
      .map((line) => exportEventSchema.parse(JSON.parse(line)));

  test("the reader of a full pipe gets all events once it reads", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const { writer, read } = unreadPipe();
    const running = start(scene, ["-events", "fd:3"], { third: writer });
    await vi.waitFor(() => expectImage(scene), WAIT);
    const events = parse(await read());
    const run = await running.ended;
    expect(run.exitCode).toBe(0);
    expect(run.stderr).not.toContain("events");
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(["app-image-ready", "layer"]));
    expect(events.at(-1)?.event).toBe("summary");
  });

  test("the reader of a FIFO may open it after the export", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const fifo = makeFifo();
    const running = start(scene, ["-events", fifo]);
    await vi.waitFor(() => expectImage(scene), WAIT);
    const events = parse(await text(createReadStream(fifo)));
    const run = await running.ended;
    expect(run.exitCode).toBe(0);
    expect(run.stderr).not.toContain("events");
    expect(events.map(({ event }) => event)).toContain("layer-started");
    expect(events.at(-1)?.event).toBe("summary");
  });

  test("a FIFO without a reader is one warning", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const fifo = makeFifo();
    const run = await start(scene, ["-events", fifo]).ended;
    expect(run.exitCode).toBe(0);
    expect(run.stderr.split("\n").filter((line) => line.includes("events"))).toEqual([
      `Warning: Failed to write events: write ${fifo}: nothing was read from it for 2 s`,
    ]);
    await verifyImage(scene.appImage);
  });

  test("a reader that never reads is one warning", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const run = await start(scene, ["-events", "fd:3"], { third: unreadPipe().writer }).ended;
    expect(run.exitCode).toBe(0);
    expect(run.stderr.split("\n").filter((line) => line.includes("events"))).toEqual([
      "Warning: Failed to write events: write fd:3: nothing was read from it for 10 s",
    ]);
  });

  test.each([
    ["a full pipe", () => ({ target: "fd:3", third: unreadPipe().writer })],
    ["a FIFO without a reader", () => ({ target: makeFifo(), third: undefined })],
  ] as const)("a signal ends the wait at %s", async (_, open) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const { target, third } = open();
    const running = start(scene, ["-events", target], third === undefined ? {} : { third });
    await vi.waitFor(() => expectImage(scene), WAIT);
    await expectStop(running, "SIGTERM");
  });

  test("and log lines that share a pipe do not interleave", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const { writer, read } = unreadPipe();
    const running = start(scene, ["-events", "fd:1", "-log-format", "json"], { stdout: writer, stderr: writer });
    await vi.waitFor(() => expectImage(scene), WAIT);
    const lines = (await read()).trimEnd().split("\n");
    expect((await running.ended).exitCode).toBe(0);
    const kinds = lines.map((line) => Object.keys(JSON.parse(line))[0]);
    expect(new Set(kinds)).toEqual(new Set(["level", "event"]));
    // The order is preserved: the log ends after the events.
    expect(kinds.lastIndexOf("level")).toBeGreaterThan(kinds.indexOf("event"));
  });
});

describe("documents", () => {
  test("a FIFO gets report.toml when it has a reader", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const fifo = makeFifo("report.toml");
    const running = start(scene, ["-report", fifo]);
    await vi.waitFor(() => expectImage(scene), WAIT);
    expect(await text(createReadStream(fifo))).toMatch(/^\[image\]\n/);
    expect((await running.ended).exitCode).toBe(0);
  });

  test.each([
    ["report.toml", "-report"],
    ["timeline.html", "-timeline"],
    ["timeline.json", "-timeline"],
  ])("a signal ends the wait for a reader of %s", async (name, flag) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const running = start(scene, [flag, makeFifo(name)]);
    await vi.waitFor(() => expectImage(scene), WAIT);
    await expectStop(running, "SIGTERM");
  });

  test("a signal ends the wait for a full pipe of the timeline", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const fifo = makeFifo("timeline.json");
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    fill(fifo);
    const running = start(scene, ["-timeline", fifo]);
    await vi.waitFor(() => expectImage(scene), WAIT);
    await expectStop(running, "SIGHUP");
    closeSync(reader);
  });
});

test("a signal ends the wait for the writer of an input", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const running = start(scene, ["-group", makeFifo("group.toml")]);
  await vi.waitFor(() => expect(waitsToOpenFifo(running.process.pid)).toBe(true), WAIT);
  await expectStop(running, "SIGTERM");
});
