import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { mountOddFileSystem } from "../../support/files/odd-file-system.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { isRunning } from "../../support/network/server-process.ts";
import {
  EXPORTER,
  type ExporterRun,
  flagsFor,
  type RunningExporter,
  startProgram,
} from "../../support/process/exporter.ts";
import { type Reply, refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { GRACE_MS, WAIT, within } from "../../support/runner/time-limits.ts";
import { Scene, writeBuild } from "../../support/scenes/scene.ts";

/** Two registries, one of which holds a matching request until the test ends. */
async function held(where: "app" | "cache", method: string, target: RegExp) {
  const registries = { app: await FakeRegistry.start(), cache: await FakeRegistry.start() };
  const scene = await Scene.open(registries.app, registries.cache);
  return { ...registries, scene, arrived: registries[where].faults.hold({ method, target }) };
}

/** Expects that the signal ends the process within a second. */
function end({ process, ended }: RunningExporter, signal: NodeJS.Signals, limitMs = 1000): Promise<ExporterRun> {
  return within(limitMs, () => {
    process.kill(signal);
    return ended;
  });
}

/** Sends a signal once the request is held, and expects the end within a second. */
async function stop(
  { scene, arrived, app }: Awaited<ReturnType<typeof held>>,
  signal: NodeJS.Signals,
  flags: string[],
  limitMs?: number,
) {
  const { running } = scene.start({ flags });
  await arrived;
  // An upload that only checked push access was canceled before.
  const before = app.count("DELETE", /uploads/);
  const startMs = performance.now();
  const run = await end(running, signal, limitMs);
  const isLate = performance.now() - startMs > GRACE_MS;
  return { ...run, isLate, takenBack: app.count("DELETE", /uploads/) - before };
}

describe("a signal", () => {
  test.for([
    { signal: "SIGTERM", status: 143, flags: [] },
    { signal: "SIGTERM", status: 143, flags: ["-parallel"] },
    { signal: "SIGINT", status: 130, flags: ["-parallel"] },
    { signal: "SIGQUIT", status: 131, flags: ["-parallel"] },
    { signal: "SIGABRT", status: 134, flags: ["-parallel"] },
  ] as const)(
    "$signal during an upload ends the export at once with $status ($flags)",
    async ({ signal, status, flags }) => {
      const spool = tempTree();
      const setting = await held("app", "PATCH", /app\/blobs/);
      const run = await stop(setting, signal, [...flags, "-spool-dir", spool]);
      expect(run.status).toBe(status);
      expect(run.stderr).toContain(`ERROR: stopped by ${signal}\n`);
      expect(setting.app.manifests.find("app", "latest")).toBeUndefined();
      expect(setting.cache.count("PUT", /manifests/)).toBe(0);
      // The interrupted upload, which a registry would otherwise keep for days.
      expect(run.takenBack > 0 || run.isLate).toBe(true);
      expect(readdirSync(spool)).toEqual([]);
      expect(readdirSync(setting.scene.output.layersDir)).not.toContain("report.toml");
    },
  );

  test("during the cache's export keeps the app image and exits with the signal's code", async () => {
    const setting = await held("cache", "PATCH", /cache\/blobs/);
    const run = await stop(setting, "SIGTERM", []);
    expect(run.status).toBe(143);
    await verifyImage(setting.scene.appImage);
    expect(setting.cache.count("PUT", /manifests/)).toBe(0);
    expect(readdirSync(setting.scene.output.layersDir)).toContain("report.toml");
  });

  test("while the run image is being opened ends the export", async () => {
    const setting = await held("app", "GET", /run\/manifests/);
    const run = await stop(setting, "SIGTERM", ["-parallel"]);
    expect(run.status).toBe(143);
    expect(setting.app.count("PUT", /\/app\//)).toBe(0);
  });
});

test("a registry that does not answer the cancellation of an upload does not delay the exit", async () => {
  const setting = await held("app", "PATCH", /app\/blobs/);
  void setting.arrived.then(() => setting.app.faults.hold({ method: "DELETE", target: /uploads/, times: 100 }));
  const run = await stop(setting, "SIGTERM", ["-parallel"], 1200);
  expect(run.status).toBe(143);
});

test("a second signal ends the process at once", async () => {
  const setting = await held("app", "PATCH", /app\/blobs/);
  const again = async (): Promise<Reply> => {
    running.process.kill("SIGINT");
    return new Promise<never>(() => undefined);
  };
  const { running } = setting.scene.start({});
  await setting.arrived;
  setting.app.faults.add({ method: "DELETE", target: /uploads/, action: { around: again } });
  running.process.kill("SIGTERM");
  expect(await running.ended).toMatchObject({ status: 130 });
});

test("a signal ends the export during the scan of a large tree", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const directory = scene.layerPath("libraries", "many");
  mkdirSync(directory);
  for (let i = 0; i < 20_000; i++) writeFileSync(join(directory, `${i}`), "");
  const { running } = scene.start({ flags: ["-workers", "1", "-log-level", "debug"] });
  // This exists while the buildpack's layers are being walked.
  await new Promise((resolve) => running.process.stdout?.once("data", resolve));
  expect(await end(running, "SIGTERM", 1200)).toMatchObject({ status: 143 });
});

describe("a file system that hangs", () => {
  const places = [
    { where: "within the app", path: ({ output }: Scene) => join(output.appDir, "mounted"), flags: () => [] },
    { where: "within a layer", path: (scene: Scene) => scene.layerPath("libraries", "mounted"), flags: () => [] },
    {
      where: "that has the launcher",
      path: () => tempTree(),
      flags: (path: string) => ["-launcher", join(path, "file")],
    },
  ];

  /** Starts an export that reads from a file system that hangs. @returns undefined if this process may not mount one */
  async function start({ path, flags }: (typeof places)[number]) {
    const libraries = { from: ["libraries"], launch: true, cache: false };
    const registry = await FakeRegistry.start();
    const scene = await Scene.open(registry, registry, { libraries });
    const directory = path(scene);
    mkdirSync(directory, { recursive: true });
    const reading = Promise.withResolvers<void>();
    const mount = { path: directory, onHang: reading.resolve };
    const mounted = await mountOddFileSystem({ file: { contents: "contents", hangs: true } }, mount);
    if (mounted === undefined) return undefined;
    const refuse = async () => {
      await reading.promise;
      return refusal(403, "DENIED", "no access");
    };
    return {
      registry,
      refuse,
      reading: reading.promise,
      start: () => scene.start({ cache: "", flags: flags(directory) }),
    };
  }

  const NO_MOUNT = "this process may not mount a FUSE file system";

  test.for(places)("does not delay a signal: $where", async (place, context) => {
    const hanging = await start(place);
    if (hanging === undefined) return context.skip(NO_MOUNT);
    const { running } = hanging.start();
    await Promise.race([hanging.reading, running.ended]);
    expect((await end(running, "SIGTERM", 1200)).status).toBe(143);
  });

  // Before the launcher's file system has answered, an export does nothing that could fail.
  test.for(places.slice(0, 2))("does not delay a failed export: $where", async (place, context) => {
    const hanging = await start(place);
    if (hanging === undefined) return context.skip(NO_MOUNT);
    hanging.registry.faults.add({ method: "POST", target: /uploads/, action: { around: hanging.refuse }, times: 100 });
    const run = await hanging.start().running.ended;
    expect(run.stderr).toContain("DENIED: no access");
    expect(run.exitCode).toBe(62);
  });
});

test("a signal does not wait for the writer of a FIFO", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const path = join(tempTree(), "run.toml");
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  const { running } = scene.start({ flags: ["-run", path] });
  // Opened for writing without waiting, a FIFO has a reader (fifo(7)).
  const writer = await vi.waitFor(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK), WAIT);
  onTestFinished(() => closeSync(writer));
  expect((await end(running, "SIGTERM", 1200)).status).toBe(143);
});

test("a signal stops a credential helper that waits for a person", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const bin = tempTree({
    "config.json": '{"credsStore":"stuck"}',
    // Reports that it runs, and then waits for itself.
    "docker-credential-stuck": `#!/bin/sh\necho $$ > "$DOCKER_CONFIG/pid"\nexec sleep 60\n`,
  });
  chmodSync(join(bin, "docker-credential-stuck"), 0o755);
  const env = { DOCKER_CONFIG: bin, PATH: `${bin}:${process.env.PATH}` };
  const { running } = scene.start({ env, flags: ["-log-level", "debug"] });
  await vi.waitFor(() => expect(readFileSync(join(bin, "pid"), "utf8")).toMatch(/^\d+\n$/), WAIT);
  const run = await end(running, "SIGTERM");
  expect(run).toMatchObject({ status: 143, stderr: "ERROR: stopped by SIGTERM\n" });
  const helper = Number(readFileSync(join(bin, "pid"), "utf8"));
  await vi.waitFor(() => expect(isRunning(helper)).toBe(false), WAIT);
});

test("SIGKILL leaves no spool file", async () => {
  const spool = tempTree();
  const { scene, arrived } = await held("app", "PATCH", /app\/blobs/);
  const { running } = scene.start({ flags: ["-spool-dir", spool] });
  await arrived;
  running.process.kill("SIGKILL");
  await once(running.process, "close");
  expect(readdirSync(spool)).toEqual([]);
});

/** Never answers; reports in `$1` that it listens and that it got a query. */
const SILENT_NAME_SERVER = `
  import { createSocket } from "node:dgram";
  import { writeFileSync } from "node:fs";
  const say = (what) => writeFileSync(process.argv[2] + "/" + what, String(process.pid));
  createSocket("udp4").on("message", () => say("asked")).bind(53, "127.0.0.1", () => say("listening"));
`;

const hasNamespaces =
  process.getuid?.() === 0 && spawnSync("unshare", ["-m", "-n", "ip", "link", "set", "lo", "up"]).status === 0;

test.skipIf(!hasNamespaces)(
  `a signal does not wait for a name server that is silent${hasNamespaces ? "" : " (needs root, unshare and ip)"}`,
  async () => {
    const output = writeBuild();
    writeAnalyzed(output, "registry.example/run@sha256:".concat("0".repeat(64)));
    const directory = tempTree({ "resolv.conf": "nameserver 127.0.0.1\n", "server.mjs": SILENT_NAME_SERVER });
    const script = `
      ip link set lo up && mount --bind ${directory}/resolv.conf /etc/resolv.conf || exit 1
      ${process.execPath} ${directory}/server.mjs ${directory} > /dev/null 2>&1 &
      while ! [ -f ${directory}/listening ]; do sleep 0.02; done
      exec "$@"`;
    const exporter = [EXPORTER, ...flagsFor(output), "registry.example/app"];
    const running = startProgram("unshare", ["-m", "-n", "sh", "-c", script, "sh", ...exporter]);
    await vi.waitFor(() => expect(existsSync(join(directory, "asked"))).toBe(true), WAIT);
    onTestFinished(() => void process.kill(Number(readFileSync(join(directory, "listening"), "utf8"))));
    expect((await end(running, "SIGTERM")).status).toBe(143);
  },
);
