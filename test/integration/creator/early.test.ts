import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { EarlyBuild, layerScript } from "../../support/creator/early-build.ts";
import { CREATOR } from "../../support/creator/fake-build.ts";
import { KEEPS_ACCESS_TIMES } from "../../support/files/access-times.ts";
import { openSpools } from "../../support/files/spools.ts";
import { tempTree, writableDirectory } from "../../support/files/temp-tree.ts";
import { RegistryAccess } from "../../support/images/registry-access.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { isRunning } from "../../support/network/server-process.ts";
import { type ExporterRun, endPrograms, readEvents } from "../../support/process/exporter.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { SEES_BUILD_USER, threadNiceness } from "../../support/process/process-state.ts";
import { GRACE_MS, WAIT } from "../../support/runner/time-limits.ts";
import { IS_TRUSTED } from "../../support/scenes/early-scene.ts";

if (!SEES_BUILD_USER) console.warn("Some tests of early export are skipped: they need the capability SYS_PTRACE");

/** More than what an upload waits for before it begins. */
const JRE = layerScript("jre", "head -c 6000000 /dev/urandom > lib; echo one > release");

/** For tests in which no upload must begin before the blob is complete. */
const SMALL_BYTES = 60_000;
const SMALL = `head -c ${SMALL_BYTES} /dev/urandom > lib; echo one > release`;
const SMALL_JRE = layerScript("jre", SMALL);

const JRE_ID = { layer: "early/first:jre" };

const UPLOADS = /\/app\/blobs\/uploads\//;

const BUNDLE = join(ROOT, "dist", "cli.cjs");

/** A creator whose worker threads die with the first task, unless they start later. */
function creatorWithDyingThreads(): string {
  const directory = tempTree({
    "kill.mjs": `import { MessagePort } from "node:worker_threads";
      const threads = [];
      const onWorker = (thread) => threads.push(thread);
      process.on("worker", onWorker);
      const { postMessage } = MessagePort.prototype;
      MessagePort.prototype.postMessage = function (message, ...rest) {
        postMessage.call(this, message, ...rest);
        if (message?.taskId === undefined) return;
        MessagePort.prototype.postMessage = postMessage;
        process.off("worker", onWorker);
        for (const thread of threads) thread.terminate();
      };`,
    creator: `#!/bin/sh\nexport TANDEM_INVOKED_AS=creator\nexec ${process.execPath} --import "\${0%/*}/kill.mjs" ${BUNDLE} "$@"\n`,
  });
  const program = join(directory, "creator");
  for (const path of [directory, program]) chmodSync(path, 0o755);
  return program;
}

function eventsFile(): string {
  return join(writableDirectory(), "events");
}

/** The exporter's output without the image's name and digests. */
function exported({ stdout }: ExporterRun): string {
  const lines = stdout.slice(stdout.indexOf("===> EXPORTING"));
  return lines.replace(/\/(app|other):latest/g, "/image").replace(/sha256:[0-9a-f]{64}/g, "sha256");
}

async function sameAsWithout(early: EarlyBuild, run: ExporterRun): Promise<void> {
  const without = await early.exportWithoutEarly();
  expect([run.exitCode, without.exitCode]).toEqual([0, 0]);
  expect(await verifyImage(early.build.image)).toEqual(await verifyImage(without.image));
  expect(exported(run)).toBe(exported(without));
}

describe.runIf(IS_TRUSTED)("a layer of a finished buildpack", () => {
  test("is uploaded once, while the next buildpack runs, and image and log equal those without early export", async () => {
    const early = await EarlyBuild.open();
    const { registry } = early.build;
    const events = eventsFile();
    const timeline = join(writableDirectory(), "timeline.json");
    early.buildpacks({ first: JRE });
    const running = early.start({ flags: ["-events", events, "-timeline", timeline] });
    // The upload follows the blob, so it can end before the layer is judged.
    await Promise.all([early.untilUploaded(1), early.untilMade()]);
    expect(early.isSecondRunning).toBe(true);
    const [digest = ""] = early.uploaded;
    const run = await early.finish(running);
    expect((await verifyImage(early.build.image)).layers.map((layer) => layer.digest)).toContain(digest);
    expect(registry.count("PUT", new RegExp(encodeURIComponent(digest)))).toBe(1);
    const jre = { id: "early/first:jre", early: true };
    expect(readEvents(events)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ event: "layer-hashed", ...jre }),
        expect.objectContaining({ event: "layer-compressed", ...jre, digest }),
        expect.objectContaining({ event: "summary", earlyLayers: 1, earlyBytes: expect.any(Number) }),
      ]),
    );
    const { traceEvents } = JSON.parse(readFileSync(timeline, "utf8"));
    for (const name of ["analyze", "detect", "restore", "build"])
      expect(traceEvents).toContainEqual(expect.objectContaining({ name, cat: "phase" }));
    expect(traceEvents).toContainEqual(expect.objectContaining({ name: "early/first:jre", cat: "layer", pid: 0 }));
    await sameAsWithout(early, run);
  });

  /** Changes by a later buildpack to layers of the first one, by name. */
  const CHANGES = {
    byte: "echo two > $layer/release",
    file: "echo > $layer/more",
    mode: "chmod 700 $layer/lib",
    types: "printf '[types]\\nbuild = true\\n' > $layer.toml",
    none: "rm -r $layer $layer.toml",
  };

  test("is rebuilt if a later buildpack changes a byte or a mode, adds a file, makes it a build layer or removes it", async () => {
    const early = await EarlyBuild.open();
    const events = eventsFile();
    const layers = Object.entries(CHANGES);
    const first = layers.map(([name]) => layerScript(name, SMALL)).join("\n");
    const second = layers.map(([name, change]) => `layer=$first/${name}; ${change}`).join("\n");
    early.buildpacks({ first, second });
    const running = early.start({ flags: ["-events", events] });
    await early.untilUploaded(layers.length);
    await sameAsWithout(early, await early.finish(running));
    const told = readEvents(events);
    expect(told.filter((event) => "early" in event)).toEqual([]);
    const summary = told.findLast((event) => event.event === "summary");
    expect(summary).not.toHaveProperty("earlyLayers");
    // The blobs of all of them.
    expect(summary?.earlyWastedBytes).toBeGreaterThan(layers.length * SMALL_BYTES);
  });

  test("is uploaded even if the parent of an ended process never waits for it", async () => {
    const early = await EarlyBuild.open();
    // The sleep that replaces the shell never waits for the child of the shell.
    const zombie = `sh -c 'true & exec sleep 600' >/dev/null 2>&1 & echo $! > "$FAKE_DIR/parent"`;
    early.buildpacks({ first: `${zombie}\n${JRE}`, second: 'kill $(cat "$FAKE_DIR/parent")' });
    const running = early.start();
    await early.untilUploaded(1);
    expect(early.isSecondRunning).toBe(true);
    await sameAsWithout(early, await early.finish(running));
  });

  /** Leaves the builder's session with a mapping that no other process can see, and writes to it when it is told to. */
  const HIDDEN_MAPPER = `import ctypes, mmap, os, sys
path, ready, go, done = sys.argv[1:]
os.setsid()
PR_SET_DUMPABLE = 4
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
file = os.open(path, os.O_RDWR)
mapping = mmap.mmap(file, 0)
os.closerange(3, 100)
mapping[0] = 65
open(ready, "w").close()
open(go).read()
mapping[0] = 66
open(done, "w").close()
`;

  test.runIf(KEEPS_ACCESS_TIMES && findProgram("python3") !== undefined)(
    "is exported at the end if a process that cannot be inspected may write to it",
    async () => {
      const early = await EarlyBuild.open();
      early.build.write("mapper.py", HIDDEN_MAPPER);
      const mapper = `mkfifo $FAKE_DIR/write $FAKE_DIR/ready $FAKE_DIR/done
python3 $FAKE_DIR/mapper.py $layers/classes/lib $FAKE_DIR/ready $FAKE_DIR/write $FAKE_DIR/done >/dev/null 2>&1 &
echo $! > $FAKE_DIR/mapper
read -r ready < $FAKE_DIR/ready || true`;
      early.buildpacks({
        first: [layerScript("classes", SMALL), layerScript("later", SMALL), mapper].join("\n"),
        second: "echo > $FAKE_DIR/write; read -r done < $FAKE_DIR/done || true",
      });
      const running = early.start();
      onTestFinished(() => {
        const pid = Number(early.build.record("mapper"));
        if (pid !== 0 && isRunning(pid)) process.kill(pid);
      });
      // Layers are built in the order of their names, so the mapped one was refused or built by then.
      await early.untilRead("later");
      await sameAsWithout(early, await early.finish(running));
    },
  );

  test("is hashed if only the cache takes it, and exported with the cache", async () => {
    const early = await EarlyBuild.open();
    const cache = `${early.build.registry.host}/cache:latest`;
    const repository = layerScript("repository", "head -c 100000 /dev/urandom > jar", "cache = true");
    early.buildpacks({ first: `${SMALL_JRE}\n${repository}` });
    const running = early.start({ flags: ["-cache-image", cache] });
    await early.untilUploaded(1);
    const run = await early.finish(running);
    expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("layer 'early/first:repository'") });
    await verifyImage(cache);
    const { image } = await early.exportWithoutEarly();
    expect(await verifyImage(early.build.image)).toEqual(await verifyImage(image));
  });

  test("is built by threads of the lowest priority, which the export keeps, except for the main thread and libuv's", async () => {
    const early = await EarlyBuild.open();
    early.buildpacks({ first: JRE });
    const running = early.start();
    const { pid } = running.process;
    const untilLow = () =>
      vi.waitFor(() => {
        const niceness = threadNiceness(pid);
        expect(niceness).toHaveProperty("WorkerThread");
        const names = ["node-MainThread", "libuv-worker"];
        for (const [name, values] of Object.entries(niceness))
          expect([name, new Set(values)]).toEqual([name, new Set([names.includes(name) ? getPriority() : 19])]);
      }, WAIT);
    const made = early.untilMade();
    await untilLow();
    await made;
    await untilLow();
    expect(await early.finish(running)).toMatchObject({ exitCode: 0 });
  });

  test.runIf(SEES_BUILD_USER)("is compressed, but not uploaded, with -early compress", async () => {
    const early = await EarlyBuild.open();
    const [events, spool] = [eventsFile(), writableDirectory()];
    early.buildpacks({ first: SMALL_JRE });
    const running = early.start({ flags: ["-early", "compress", "-events", events, "-spool-dir", spool] });
    await vi.waitFor(() => expect(openSpools(spool, running.process.pid)).toBe(1), WAIT);
    expect(early.build.registry.count("POST", UPLOADS)).toBe(0);
    const run = await early.finish(running);
    const compressed = { event: "layer-compressed", id: "early/first:jre", early: true };
    expect(readEvents(events)).toContainEqual(expect.objectContaining(compressed));
    await sameAsWithout(early, run);
  });

  test("is built early although the limits of the process allow fewer workers than requested", async () => {
    const early = await EarlyBuild.open();
    early.buildpacks({ first: SMALL_JRE });
    const start = tempTree({ creator: `#!/bin/sh\nulimit -n 150 && exec ${CREATOR} "$@"\n` });
    chmodSync(start, 0o755);
    chmodSync(join(start, "creator"), 0o755);
    const running = early.start({ program: join(start, "creator"), flags: ["-workers", "40"] });
    await early.untilUploaded(1);
    expect(early.isSecondRunning).toBe(true);
    const run = await early.finish(running);
    expect(run.stderr).toMatch(/Using \d+ of 40 workers/);
    await sameAsWithout(early, run);
  });

  test("is built early by other threads if the first ones died", async () => {
    const early = await EarlyBuild.open();
    early.buildpacks({ first: SMALL_JRE });
    const running = early.start({ program: creatorWithDyingThreads(), flags: ["-log-level", "debug"] });
    await early.untilUploaded(1);
    expect(early.isSecondRunning).toBe(true);
    const run = await early.finish(running);
    expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("early: a worker thread died") });
    const { image } = await early.exportWithoutEarly();
    expect(await verifyImage(early.build.image)).toEqual(await verifyImage(image));
  });

  test.runIf(SEES_BUILD_USER)("is finished by the export if the build ends before it is complete", async () => {
    const early = await EarlyBuild.open();
    const [events, spool] = [eventsFile(), writableDirectory()];
    // Takes much longer than the end of the build.
    early.buildpacks({ first: layerScript("jre", "truncate -s 200M lib") });
    const running = early.start({ flags: ["-events", events, "-spool-dir", spool] });
    const { pid } = running.process;
    await vi.waitFor(() => expect(openSpools(spool, pid)).toBe(1), { ...WAIT, interval: 5 });
    const run = await early.finish(running);
    const jre = { id: "early/first:jre" };
    expect(readEvents(events)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ event: "layer-hashed", ...jre, early: true }),
        expect.objectContaining({ event: "layer", ...jre, reads: 0, compressions: 1, uploads: 1 }),
      ]),
    );
    expect(readEvents(events).findLast(({ event }) => event === "summary")).not.toHaveProperty("earlyLayers");
    await sameAsWithout(early, run);
  });

  test.runIf(SEES_BUILD_USER)("is dropped by the export if a later buildpack makes it a build layer", async () => {
    const early = await EarlyBuild.open();
    const spool = writableDirectory();
    early.buildpacks({ first: SMALL_JRE, second: "printf '[types]\\nbuild = true\\n' > $first/jre.toml" });
    const running = early.start({ flags: ["-spool-dir", spool] });
    const { pid } = running.process;
    await early.untilUploaded(1);
    expect(openSpools(spool, pid)).toBe(1);
    let isDropped = false;
    early.build.registry.faults.add({
      method: "PUT",
      target: /\/app\/manifests\//,
      action: {
        around: async (proceed) => {
          await vi.waitFor(() => expect(openSpools(spool, pid)).toBe(0), WAIT);
          isDropped = true;
          return await proceed();
        },
      },
    });
    await sameAsWithout(early, await early.finish(running));
    expect(isDropped).toBe(true);
  });

  test("is counted as sent if its upload ends in the export", async () => {
    const early = await EarlyBuild.open();
    const events = eventsFile();
    early.buildpacks({ first: JRE });
    const release = Promise.withResolvers<void>();
    early.build.registry.faults.add({
      method: "PATCH",
      target: UPLOADS,
      action: { around: (proceed) => release.promise.then(() => proceed()) },
      name: "held",
    });
    const running = early.start({ flags: ["-events", events] });
    await vi.waitFor(() => expect(early.build.registry.faults.happened).toContain("held"), WAIT);
    early.goOn();
    await vi.waitFor(() => {
      expect(readEvents(events)).toContainEqual(expect.objectContaining({ event: "upload-started", ...JRE_ID }));
    }, WAIT);
    release.resolve();
    expect(await running.ended).toMatchObject({ exitCode: 0 });
    const told = readEvents(events);
    const sizes = told.flatMap((event) =>
      event.event === "upload-done" && event.outcome === "uploaded" ? [event.size] : [],
    );
    expect(told).toContainEqual(
      expect.objectContaining({ event: "upload-done", layer: JRE_ID.layer, outcome: "uploaded" }),
    );
    const summary = told.findLast(({ event }) => event === "summary");
    expect(summary).toMatchObject({ sentBytes: sizes.reduce((sum, size) => sum + size, 0) });
  });

  test("is followed by the first requests of the export, none of which is a pull", async () => {
    const early = await EarlyBuild.open();
    const { registry } = early.build;
    early.buildpacks({ first: SMALL_JRE });
    const running = early.start({ flags: ["-cache-image", `${registry.host}/cache:latest`] });
    const asked = () =>
      ["app", "run", "cache"].map((name) => registry.count("HEAD", new RegExp(`/${name}/manifests/`)));
    await vi.waitFor(() => expect(asked()).toEqual([1, 1, 1]), WAIT);
    expect([early.isSecondRunning, registry.count("GET", /manifests/)]).toEqual([true, 0]);
    expect(await early.finish(running)).toMatchObject({ exitCode: 0 });
  });

  test("is exported at the end with -early none", async () => {
    const early = await EarlyBuild.open();
    const events = eventsFile();
    early.buildpacks({ first: SMALL_JRE });
    early.goOn();
    const run = await early.start({ flags: ["-early", "none", "-events", events] }).ended;
    expect(readEvents(events).some((event) => "early" in event)).toBe(false);
    await sameAsWithout(early, run);
  });
});

describe.runIf(IS_TRUSTED)("a registry that", () => {
  test("is down for a while during the build gets all layers, without a word in the log", async () => {
    const early = await EarlyBuild.open();
    const { faults } = early.build.registry;
    const patch = { method: "PATCH", target: UPLOADS };
    faults.add(
      { ...patch, times: 2, name: "down", action: { answer: { status: 503 } } },
      { ...patch, name: "up again", action: { around: (proceed) => proceed() } },
    );
    early.buildpacks({ first: JRE });
    const running = early.start();
    // All failures have reached the exporter by then.
    await vi.waitFor(() => expect(faults.happened).toContain("up again"), WAIT);
    const run = await early.finish(running);
    expect(run.stderr).not.toMatch(/503|retrying/);
    await sameAsWithout(early, run);
  });

  test("denies pushes gets no upload, and the export fails as it does without early export", async () => {
    const early = await EarlyBuild.open();
    const { registry } = early.build;
    const answer = { status: 403, body: JSON.stringify({ errors: [{ code: "DENIED", message: "not you" }] }) };
    registry.faults.add({
      method: "POST",
      target: UPLOADS,
      times: Number.POSITIVE_INFINITY,
      action: { answer },
      name: "denied",
    });
    early.buildpacks({ first: JRE });
    const running = early.start();
    await vi.waitFor(() => expect(registry.faults.happened).toContain("denied"), WAIT);
    const run = await early.finish(running);
    const without = await early.start({ flags: ["-early", "none"] }).ended;
    expect([run.exitCode, without.exitCode]).toEqual([62, 62]);
    expect(run.stderr).toBe(without.stderr);
    expect(registry.count("PATCH", UPLOADS)).toBe(0);
  });

  test("collects an early blob before the export gets it again", async () => {
    const early = await EarlyBuild.open();
    early.buildpacks({ first: SMALL_JRE });
    const running = early.start();
    await early.untilUploaded(1);
    early.build.registry.blobs.unlink("app", early.uploaded[0] ?? "");
    const run = await early.finish(running);
    expect(run).toMatchObject({ exitCode: 0, stderr: expect.not.stringMatching(/reported blobs|does not find blobs/) });
    await verifyImage(early.build.image);
  });

  test("lets tokens expire during the build gets requests for new ones", async () => {
    const login = { username: "someone", password: "secret" };
    const early = await EarlyBuild.open({ kind: "bearer", ...login });
    const { auth, host } = early.build.registry;
    early.buildpacks({ first: SMALL_JRE });
    const basic = `Basic ${Buffer.from("someone:secret").toString("base64")}`;
    const running = early.start({ env: { CNB_REGISTRY_AUTH: JSON.stringify({ [host]: basic }) } });
    await early.untilUploaded(1);
    auth?.expireTokens();
    expect(await early.finish(running)).toMatchObject({ exitCode: 0 });
    await verifyImage(early.build.image, new RegistryAccess({ login }));
  });
});

/** An upload is under way and cannot end. */
async function whileUploading(early: EarlyBuild, request: Parameters<EarlyBuild["start"]>[0] = {}) {
  const held = early.build.registry.faults.hold({ method: "PATCH", target: UPLOADS, times: Number.POSITIVE_INFINITY });
  const running = early.start(request);
  await held;
  return running;
}

describe.runIf(IS_TRUSTED)("nothing is published, and uploads are canceled,", () => {
  test.each([
    ["fails", "exit 51", 51],
    ["is killed", "kill -KILL $PPID", 137],
  ])("if the builder %s", async (_, second, exitCode) => {
    const early = await EarlyBuild.open();
    const { registry } = early.build;
    early.buildpacks({ first: JRE, second });
    const run = await early.finish(await whileUploading(early));
    expect(run.exitCode).toBe(exitCode);
    // One for the check of the push access.
    await vi.waitFor(() => expect(registry.count("DELETE", UPLOADS)).toBe(2), WAIT);
    expect(registry.count("PUT", /./)).toBe(registry.count("PUT", /\/run\//));
  });

  test("if the creator is stopped", async () => {
    const early = await EarlyBuild.open();
    const { registry } = early.build;
    early.buildpacks({ first: JRE });
    const running = await whileUploading(early);
    const startMs = performance.now();
    running.process.kill("SIGTERM");
    // A thread of the lowest priority may outlast the grace period; then the signal itself ends the process.
    expect(await running.ended).toMatchObject({ status: 143 });
    if (performance.now() - startMs > GRACE_MS) return;
    await vi.waitFor(() => expect(registry.count("DELETE", UPLOADS)).toBe(2), WAIT);
  });
});

test.runIf(IS_TRUSTED)("a creator that is killed leaves nothing but an upload for the registry to expire", async () => {
  const early = await EarlyBuild.open();
  const spool = writableDirectory();
  early.buildpacks({ first: JRE });
  const running = await whileUploading(early, { env: { CNB_EXPORT_SPOOL_DIR: spool } });
  running.process.kill("SIGKILL");
  // The builder lives on, and has its output.
  await early.finish(running);
  expect(readdirSync(spool)).toEqual([]);
  expect(early.build.registry.count("PUT", /app\/manifests/)).toBe(0);
  expect(existsSync(join(early.build.output.layersDir, "report.toml"))).toBe(false);
});

test("a test that fails leaves neither its creator nor a buildpack running", async () => {
  const early = await EarlyBuild.open();
  early.buildpacks({ first: SMALL_JRE });
  const { process } = early.start();
  await vi.waitFor(() => expect(early.second).toBeDefined(), WAIT);
  const pids = [process.pid, early.second];
  await endPrograms();
  await vi.waitFor(() => expect(pids.filter((pid) => isRunning(pid ?? 0))).toEqual([]), WAIT);
});
