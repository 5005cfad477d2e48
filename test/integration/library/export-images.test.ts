import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { type ExportEvent, type ExportOptions, exportImages, type Fault } from "../../../src/index.ts";
import { spoolsClosed } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { readSpans } from "../../support/output/telemetry.ts";
import { refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

const ENV = { CNB_PLATFORM_API: "0.13" };

const LIBRARY = JSON.stringify(join(ROOT, "dist", "index.cjs"));

async function open() {
  const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
  const scene = await Scene.open(app, cache);
  const { layersDir, appDir, launcher, root } = scene.output;
  const options: ExportOptions = {
    images: [`${app.host}/app:latest`, `${app.host}/app:v1`],
    layers: layersDir,
    app: appDir,
    launcher,
    launcherSbom: join(root, "sbom"),
    run: join(root, "run.toml"),
    cacheImage: `${cache.host}/cache:latest`,
    parallel: true,
    workers: 2,
  };
  return { app, cache, scene, options };
}

async function collect(events: AsyncIterable<ExportEvent>): Promise<ExportEvent[]> {
  const all: ExportEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

test("exports both images, emits events meanwhile, and resolves with both results", async () => {
  const { app, cache, options } = await open();
  const logger = new RecordingLogger();
  const exporting = exportImages(options, { env: ENV, logger });
  const events = await collect(exporting);
  const result = await exporting.result;
  expect(result.app.tags).toEqual(options.images);
  expect(result.cache?.reference).toBe(options.cacheImage);
  expect(events).toContainEqual(result.app);
  expect(events).toContainEqual(result.cache);
  expect((await verifyImage(`${app.host}/app:v1`)).digest).toBe(result.app.digest);
  expect((await verifyImage(`${cache.host}/cache:latest`)).digest).toBe(result.cache?.digest);
  expect(logger.lines.join("\n")).toContain("*** Images (sha256:");
  // A late iteration ends at once.
  expect(await collect(exporting)).toEqual([]);
});

test.each([
  ["that throws", () => thrower()],
  ["whose promises reject", async () => thrower()],
])("a logger %s fails nothing", async (_, fail) => {
  const { app, options } = await open();
  const { result } = exportImages(options, { env: ENV, logger: { debug: fail, info: fail, warn: fail, error: fail } });
  const { digest } = (await result).app;
  expect((await verifyImage(`${app.host}/app:v1`)).digest).toBe(digest);
});

function thrower(): never {
  throw new Error("the log is full");
}

test("the log has no secret, and the process keeps none", async () => {
  const { app, options, scene } = await open();
  // No other test has a part of it as a secret.
  const password = "quixotic-lantern";
  cpSync(scene.layerPath("jdk"), scene.layerPath(password), { recursive: true });
  writeFileSync(scene.layerPath(`${password}.toml`), "[types]\nlaunch = true\n");
  const logger = new RecordingLogger();
  const auth = { [app.host]: `Basic ${Buffer.from(`robot:${password}`).toString("base64")}` };
  const env = { ...ENV, CNB_REGISTRY_AUTH: JSON.stringify(auth) };
  await exportImages(options, { env, logger }).result;
  const log = logger.lines.join("\n");
  expect(log).toContain("Adding layer 'samples/java:[redacted]'");
  expect(log).not.toContain(password);
  expect(withoutSecrets(password)).toBe(password);
});

test("ignores changes to its arguments after the call", async () => {
  const { app, options } = await open();
  const images: [string, ...string[]] = [...options.images];
  const [changed, env] = [{ ...options, images }, { ...ENV }];
  const { result } = exportImages(changed, { env });
  images[0] = `${app.host}/other:latest`;
  changed.layers = "/nonexistent";
  env.CNB_PLATFORM_API = "0.1";
  expect((await result).app.tags).toEqual(options.images);
});

test("resolves relative paths against its own working directory, not the process's", async () => {
  const { options, scene } = await open();
  const { root } = scene.output;
  const paths = ["layers", "app", "launcher", "launcherSbom", "run"] as const;
  const relatives = Object.fromEntries(paths.map((name) => [name, relative(root, options[name] ?? "")]));
  const relativeOptions: ExportOptions = { ...options, ...relatives, report: "report.toml" };
  const { app } = await exportImages(relativeOptions, { env: ENV, cwd: root }).result;
  expect(readFileSync(join(root, "report.toml"), "utf8")).toContain(app.digest);
});

test("resolves relative paths in variables against its own working directory", async () => {
  const { options } = await open();
  const authority = new CertificateAuthority();
  await using secure = await FakeRegistry.start({ tls: authority.issue("127.0.0.1") });
  const root = tempTree({ "docker/config.json": "not JSON", "certificates/ca.pem": authority.pem });
  const logger = new RecordingLogger();
  const env = { ...ENV, DOCKER_CONFIG: "docker", SSL_CERT_DIR: "/nonexistent:certificates" };
  const images = [`${secure.host}/app`] as const;
  const { app } = await exportImages({ ...options, images }, { env, cwd: root, logger }).result;
  expect(app.tags).toEqual(images);
  expect(logger.lines.join("\n")).toContain(`${root}/docker/config.json`);
});

test("takes undefined members of its arguments as omitted", async () => {
  const { options } = await open();
  const rest = { cwd: undefined, home: undefined, logger: undefined, signal: undefined };
  const { app } = await exportImages({ ...options, report: undefined, telemetry: undefined }, { env: ENV, ...rest })
    .result;
  expect(app.tags).toEqual(options.images);
});

test("a consumer that changes its events changes neither the result nor another's events", async () => {
  const { options } = await open();
  const exporting = exportImages(options, { env: ENV });
  const [changed, others] = [collect(exporting), collect(exporting)];
  for (const event of await changed) Object.assign(event, { tags: [] });
  const { app } = await exporting.result;
  expect(app.tags).toEqual(options.images);
  expect(await others).toContainEqual(app);
});

test("events that cannot be written are one warning of the logger", async () => {
  const { options } = await open();
  const logger = new RecordingLogger();
  await exportImages(options, { env: { ...ENV, CNB_EXPORT_EVENTS: "/dev/full" }, logger }).result;
  expect(logger.lines.filter((line) => line.includes("events"))).toEqual([
    "warn Failed to write events: write /dev/full: no space left on device",
  ]);
});

test("a failure rejects the result with the command's fault, and ends the events", async () => {
  const { app, options } = await open();
  const denied = refusal(403, "DENIED", "no");
  app.faults.add({ method: "PUT", target: /app\/manifests/, times: 9, action: { answer: denied } });
  const exporting = exportImages({ ...options, cacheImage: "" }, { env: ENV });
  const events = await collect(exporting);
  const fault: Fault = await exporting.result.then(
    () => expect.unreachable(),
    (error) => error,
  );
  expect(fault.exitCode).toBe(62);
  expect(events.at(-1)).toMatchObject({ event: "error", code: fault.code });
});

test.each([{ uid: -1 }, { gid: 2 ** 32 - 1 }])("rejects %j, which no owner of a file can have", async (ids) => {
  const { result } = exportImages({ images: ["registry.example/app"], ...ids }, { env: ENV });
  const message = "the options uid and gid must be ids from 0 to 4294967294";
  await expect(result).rejects.toMatchObject({ code: "EXPORT_ARGS_INVALID", message });
});

test("an unknown member of the environment is rejected", async () => {
  const misspelt = { env: ENV, sginal: new AbortController().signal };
  const { result } = exportImages({ images: ["registry.example/app"] }, misspelt);
  await expect(result).rejects.toMatchObject({
    code: "EXPORT_ARGS_INVALID",
    message: "unknown member sginal of the environment",
  });
});

test.each([
  ["environment must be an object", "null"],
  ["environment's env must be an object", '{"env":null}'],
  ["environment's cwd must be an absolute path", '{"cwd":null}'],
  ["environment's home must be an absolute path", '{"home":5}'],
  ["environment's cwd must be an absolute path", '{"cwd":"a"}'],
  ["environment's home must be an absolute path", '{"home":""}'],
  ["environment's logger must have the methods debug, info, warn and error", '{"logger":{}}'],
  ["environment's signal must be an AbortSignal", '{"signal":{}}'],
])("a loop over the events learns that the %s", async (flaw, environment) => {
  const exporting = exportImages({ images: ["registry.example/app"] }, JSON.parse(environment));
  const events = await collect(exporting);
  const fault = { code: "EXPORT_ARGS_INVALID", message: `the ${flaw}`, exitCode: 3 };
  await expect(exporting.result).rejects.toMatchObject(fault);
  expect(events).toMatchObject([{ event: "error", code: fault.code, reason: fault.message }]);
});

test.each<[string, ExportOptions, Readonly<Record<string, string>>]>([
  ["EXPORT_ARGS_INVALID", JSON.parse('{"images":[]}'), ENV],
  ["EXPORT_ARGS_INVALID", { images: ["registry.example/app"], ...{ layers: () => "/layers" } } as never, ENV],
  ["EXPORT_ARGS_INVALID", JSON.parse("null"), ENV],
  [
    "EXPORT_INTERNAL",
    {
      get images(): [string] {
        return thrower();
      },
    },
    ENV,
  ],
  ["EXPORT_ARGS_INVALID", { images: ["registry.example/app"] }, { ...ENV, ...JSON.parse('{"CNB_USER_ID":1000}') }],
  ["EXPORT_API_PLATFORM", { images: ["registry.example/app"] }, {}],
  ["EXPORT_ARGS_RUN_IMAGE", { images: ["registry.example/app"], layers: "/nonexistent" }, ENV],
])("a loop over the events learns of a failure before the export: %s", async (code, options, env) => {
  const exporting = exportImages(options, { env });
  const events = await collect(exporting);
  await expect(exporting.result).rejects.toMatchObject({ code });
  expect(events).toMatchObject([{ event: "error", code }]);
});

test("an abort rejects with the signal's reason and is not reported as an internal error", async () => {
  const { options, scene } = await open();
  const controller = new AbortController();
  const exporting = exportImages({ ...options, telemetry: true }, { env: ENV, signal: controller.signal });
  const reason = new Error("enough");
  const events: ExportEvent[] = [];
  for await (const event of exporting) {
    events.push(event);
    if (event.event === "layer-started") controller.abort(reason);
  }
  await expect(exporting.result).rejects.toBe(reason);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  const code = "EXPORT_CANCELLED";
  expect(events.at(-1)).toMatchObject({ event: "error", code, reason: "stopped by the caller: enough" });
  const spans = readSpans(join(scene.output.layersDir, "tracing/lifecycle/export.jsonl"));
  expect(spans.find(({ name }) => name === "export")?.attributes).toMatchObject({ "error.type": code });
});

test.each([
  ["", "never mind"],
  [" whose reason cannot be converted to text", { toString: thrower }],
])("an already aborted signal%s starts nothing", async (_, reason) => {
  const { app, options } = await open();
  const before = app.requests.length;
  const { result } = exportImages(options, { env: ENV, signal: AbortSignal.abort(reason) });
  await expect(result).rejects.toBe(reason);
  expect(app.requests).toHaveLength(before);
});

test.each([
  ["cache", "POST"],
  ["app", "PUT"],
] as const)("leaves no spool file open after the registry of the %s has refused", async (refused, method) => {
  const { options, ...registries } = await open();
  const answer = refusal(403, "DENIED", "no");
  registries[refused].faults.add({ method, target: /./, times: 99, action: { answer } });
  const spoolDir = tempTree({});
  await exportImages({ ...options, spoolDir }, { env: ENV }).result.catch(() => undefined);
  await spoolsClosed(spoolDir);
});

test("leaving the loop over its events does not stop the export", async () => {
  const { options } = await open();
  const exporting = exportImages(options, { env: ENV });
  for await (const _ of exporting) break;
  expect((await exporting.result).app.event).toBe("app-image-ready");
});

test("a package that imports the build gets it, and its process ends by itself", async () => {
  const { options } = await open();
  const script = `import { exportImages } from ${LIBRARY};
    const { app } = await exportImages(${JSON.stringify(options)}).result; console.log(app.digest);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, ...ENV },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [digest] = await Promise.all([text(child.stdout), once(child, "close")]);
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  expect(child.exitCode).toBe(0);
});

test("is independent of its host's Node.js options and variables, and changes nothing in it", async () => {
  const { options } = await open();
  const { app } = await exportImages({ ...options, parallel: false }, { env: ENV }).result;
  const directory = tempTree({ "preload.cjs": 'console.log("loaded in thread", require("worker_threads").threadId);' });
  const preload = join(directory, "preload.cjs");
  const script = `import tls from "node:tls";
    const dispatchers = [1, 2].map((version) => Symbol.for("undici.globalDispatcher." + version));
    const state = () => JSON.stringify([
      process.env, process.execArgv, process.cwd(), process.umask(), process.eventNames().filter((name) => /^SIG/.test(name)),
      tls.DEFAULT_MIN_VERSION, tls.DEFAULT_CIPHERS, dispatchers.map((name) => name in globalThis),
    ]);
    const before = state();
    const { exportImages } = await import(${LIBRARY});
    const { app } = await exportImages(${JSON.stringify({ ...options, parallel: false })}).result;
    console.log(app.digest, state() === before ? "unchanged" : before + " became " + state());`;
  const hostile = { NODE_OPTIONS: `--require=${preload}`, PISCINA_DISABLE_ATOMICS: "1", UNDICI_NO_WASM_SIMD: "1" };
  const child = spawn(process.execPath, ["--require", preload, "--input-type=module", "-e", script], {
    env: { PATH: process.env.PATH, ...ENV, ...hostile },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  expect(output).toBe(`loaded in thread 0\n${app.digest} unchanged\n`);
});
