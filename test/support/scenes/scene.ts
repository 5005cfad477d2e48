import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { previousImageToml } from "../build/analyzed.ts";
import { type BuildOutput, type LayerContents, writeAnalyzed, writeBuildOutput } from "../build/build-output.ts";
import { tempTree } from "../files/temp-tree.ts";
import { OPEN_ACCESS, type RegistryAccess } from "../images/registry-access.ts";
import { pushRunImage } from "../images/run-image.ts";
import { type VerifiedImage, verifyImage } from "../images/verify-image.ts";
import {
  type ExporterRun,
  flagsFor,
  MISSING_SBOMS,
  type RunningExporter,
  readEvents,
  startExporter,
  startProgram,
} from "../process/exporter.ts";
import { seededBytes } from "../random.ts";
import { FakeRegistry, type RequestRecord } from "../registry/registry.ts";
import type { AnyRegistry } from "../registry/registry-kinds.ts";
import { exportInProcess } from "./export-in-process.ts";

export interface Exported extends ExporterRun {
  readonly events: readonly ExportEvent[];
}

export interface ExportRequest {
  /** Arguments after the flags: output image and tags. Default: `<app registry>/app:latest`. */
  readonly images?: readonly string[];
  /** The cache image; "" for none. Default: `<cache registry>/cache:latest`. */
  readonly cache?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs another exporter, without the additional flags. */
  readonly program?: string;
  /** Runs in a separate process, which takes longer, for tests where that makes a difference. */
  readonly byCommand?: boolean;
}

const MIB = 1 << 20;

/** The layer of both images is large enough to be uploaded while it is built. */
const LAYERS: Readonly<Record<string, LayerContents>> = {
  jdk: { from: ["jdk"], launch: true, cache: true },
  libraries: { from: ["libraries"], launch: true, cache: false },
  maven: { from: ["maven"], launch: false, cache: true },
};

/** The same with a tenth of the bytes. */
const SMALL_LAYERS: Readonly<Record<string, LayerContents>> = {
  ...LAYERS,
  jdk: { from: ["small/jdk"], launch: true, cache: true },
};

const SOURCES: Readonly<Record<string, string | Buffer>> = {
  "jdk/lib/modules": seededBytes(5 * MIB, 1),
  "jdk/bin/java": "#!/bin/sh\n".repeat(500),
  "small/jdk/lib/modules": seededBytes(MIB / 4, 1),
  "small/jdk/bin/java": "#!/bin/sh\n".repeat(500),
  "libraries/a.js": "module.exports = 1;\n".repeat(9000),
  "libraries/deep/er/b.js": "exports.b = 2;\n".repeat(500),
  "maven/repository.jar": seededBytes(MIB / 4, 2),
  "app/index.html": "<p>hello</p>\n".repeat(300),
  "app/app.jar": seededBytes(100_000, 3),
};

/** @returns a directory with the app and what the layers consist of */
function sources(layers: Readonly<Record<string, LayerContents>>): string {
  const used = ["app", ...Object.values(layers).flatMap(({ from }) => from)];
  return tempTree(
    Object.fromEntries(Object.entries(SOURCES).filter(([path]) => used.some((name) => path.startsWith(`${name}/`)))),
  );
}

/** Writes a build without an analyzed.toml; removed after the test. */
export function writeBuild(layers: Readonly<Record<string, LayerContents>> = LAYERS): BuildOutput {
  const from = sources(layers);
  const placed = Object.entries(layers).map(
    ([name, layer]) => [name, { ...layer, from: layer.from.map((path) => join(from, path)) }] as const,
  );
  const output = writeBuildOutput(tempTree(), Object.fromEntries(placed), [join(from, "app")]);
  return output;
}

/** One build's output, removed after the test, and the registries that it is exported to. */
export class Scene {
  readonly output: BuildOutput;
  readonly app: AnyRegistry;
  readonly cache: AnyRegistry;
  readonly runImage: string;
  readonly #access: RegistryAccess;
  #exports = 0;

  private constructor(
    output: BuildOutput,
    app: AnyRegistry,
    cache: AnyRegistry,
    runImage: string,
    access: RegistryAccess,
  ) {
    this.output = output;
    this.app = app;
    this.cache = cache;
    this.runImage = runImage;
    this.#access = access;
  }

  /**
   * @param cache registry of the cache image; default: the app's
   * @param access credentials for the app's registry
   */
  static async open(
    app: AnyRegistry,
    cache: AnyRegistry = app,
    layers: Readonly<Record<string, LayerContents>> = LAYERS,
    access: RegistryAccess = OPEN_ACCESS,
  ): Promise<Scene> {
    for (const registry of new Set([app, cache])) onTestFinished(() => registry[Symbol.asyncDispose]());
    const output = writeBuild(layers);
    const runImage = await pushRunImage(`${app.host}/run`, access);
    writeAnalyzed(output, runImage);
    return new Scene(output, app, cache, runImage, access);
  }

  /**
   * For tests in which no blob must be uploaded while it is made: compressing the large layer takes half of an export's
   * time.
   */
  static openSmall(app: AnyRegistry, cache: AnyRegistry = app): Promise<Scene> {
    return Scene.open(app, cache, SMALL_LAYERS);
  }

  get appImage(): string {
    return `${this.app.host}/app:latest`;
  }

  get cacheImage(): string {
    return `${this.cache.host}/cache:latest`;
  }

  layerPath(layer: string, ...rest: readonly string[]): string {
    return join(this.output.layersDir, "samples_java", layer, ...rest);
  }

  change(layer: string, content = "changed\n"): void {
    const path = this.layerPath(layer, "changed.txt");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  async analyze(image = this.appImage): Promise<VerifiedImage> {
    const pushed = await verifyImage(image, this.#access);
    writeAnalyzed(this.output, this.runImage, previousImageToml(image.slice(0, image.lastIndexOf(":")), pushed));
    return pushed;
  }

  start(request: ExportRequest = {}): { readonly running: RunningExporter; readonly eventsPath: string } {
    const { program, env } = request;
    if (program !== undefined) return { running: startProgram(program, this.arguments(request), env), eventsPath: "" };
    const [args, eventsPath] = this.#withEvents(request);
    return { running: startExporter(args, env), eventsPath };
  }

  #withEvents(request: ExportRequest): readonly [string[], string] {
    const eventsPath = join(this.output.root, `events-${this.#exports++}.jsonl`);
    return [this.arguments({ ...request, flags: ["-events", eventsPath, ...(request.flags ?? [])] }), eventsPath];
  }

  arguments({ images = [this.appImage], cache = this.cacheImage, flags = [] }: ExportRequest): string[] {
    const cacheFlags = cache === "" ? [] : ["-cache-image", cache];
    return [...flagsFor(this.output), ...cacheFlags, ...flags, ...images];
  }

  async export(request: ExportRequest = {}): Promise<Exported> {
    const [run, eventsPath] = await this.#run(request);
    const stderr = run.stderr.replace(MISSING_SBOMS, "");
    return { ...run, stderr, events: existsSync(eventsPath) ? readEvents(eventsPath) : [] };
  }

  async #run(request: ExportRequest): Promise<readonly [ExporterRun, string]> {
    if (request.program === undefined && !request.byCommand) {
      const [args, eventsPath] = this.#withEvents(request);
      return [await exportInProcess(args, request.env), eventsPath];
    }
    const { running, eventsPath } = this.start(request);
    return [await running.ended, eventsPath];
  }
}

export function layerWork(events: readonly ExportEvent[]) {
  const rows = events.flatMap((event) => {
    if (event.event !== "layer") return [];
    const { id, reads, hashes, compressions, uploads } = event;
    return [[id.replace(/^.*[:/]/, ""), { reads, hashes, compressions, uploads }] as const];
  });
  return Object.fromEntries(rows);
}

/** Fails unless the registry is the fake one, whose requests can be inspected. */
export function asFake(registry: AnyRegistry): FakeRegistry {
  if (registry instanceof FakeRegistry) return registry;
  throw new Error("only the fake keeps its requests");
}

const OPENING = /^\/v2\/(.+)\/blobs\/uploads\/$/;

/** All requests but the check of push access, which comes once per repository. */
export function pushRequests(registry: FakeRegistry): readonly RequestRecord[] {
  const asked = new Set<string>();
  return registry.requests.filter(({ method, target }) => {
    if (method === "DELETE") return !target.includes("/blobs/uploads/");
    const repository = method === "POST" ? OPENING.exec(target)?.[1] : undefined;
    if (repository === undefined || asked.has(repository)) return true;
    asked.add(repository);
    return false;
  });
}

export function uploadRequests(registry: FakeRegistry): string[] {
  return pushRequests(registry)
    .filter(
      ({ method, target }) => method === "POST" || method === "PATCH" || (method === "PUT" && /blobs/.test(target)),
    )
    .map(({ method, target }) => `${method} ${target}`);
}
