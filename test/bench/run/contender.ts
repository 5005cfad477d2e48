import { join } from "node:path";
import { ROOT } from "../../../scripts/script.ts";
import type { RegistryPair } from "../network/registries.ts";
import type { BenchBuild } from "./make-build.ts";
import { measure, type Usage } from "./measure.ts";

/** Whether the exporter gets `-parallel`. */
export type Mode = "series" | "parallel";

/** The figures of one run. */
export interface Run extends Usage {
  /** From the start of the process until the registry has the app image's manifest, in ms; undefined for floors. */
  readonly appReadyMs?: number | undefined;
  readonly cacheReadyMs?: number | undefined;
  /** Bytes sent to the registries. */
  readonly sentBytes?: number | undefined;
  /** CPU time of the registries, in ms. */
  readonly registryMs?: number | undefined;
  /** The time that the busiest link needs for its bytes, in ms; undefined on loopback. */
  readonly transferMs?: number | undefined;
}

/** The environment of one run: new registries and a new temporary directory. */
export interface RunContext {
  readonly build: BenchBuild;
  readonly registries: RegistryPair;
  readonly tempDir: string;
}

/**
 * A peer makes images of the same files by other means, without the features of Cloud Native Buildpacks. A floor does
 * only a part of the work.
 */
export interface ContenderInfo {
  readonly name: string;
  readonly kind: "tandem" | "reference" | "peer" | "floor";
  readonly mode?: Mode | undefined;
}

export interface Contender extends ContenderInfo {
  /** The floor starts with a finished app image in the first registry. */
  readonly needsImage?: boolean;
  run(context: RunContext): Promise<Run>;
}

/** Repositories that contenders push to. */
export const APP = "bench/app";
export const CACHE = "bench/cache";

interface Program {
  readonly command: string;
  readonly args?: readonly string[];
}

/**
 * This project's exporter, as platforms start it.
 * @param workers compressing threads
 * @param tags of the app image
 */
export function tandem(mode: Mode, workers: number, tags = 1): Contender {
  return tandemAs({ command: join(ROOT, "bin", "exporter") }, mode, workers, tags);
}

/** The exporter of another checkout, with `-parallel`. */
export function tandemAt(directory: string, workers: number): Contender {
  return tandemAs({ command: join(directory, "bin", "exporter") }, "parallel", workers);
}

/** This project's exporter from its sources, whose functions have names, with flags for Node.js. */
export function tandemFromSources(mode: Mode, workers: number, flags: readonly string[]): Contender {
  const program = { command: process.execPath, args: [...flags, join(ROOT, "src", "cli", "main.ts")] };
  return tandemAs(program, mode, workers);
}

function tandemAs(program: Program, mode: Mode, workers: number, tags = 1): Contender {
  return {
    name: `tandem ${mode}, ${workers} ${workers === 1 ? "worker" : "workers"}`,
    kind: "tandem",
    mode,
    run: (context) => runExporter(program, mode, context, ["-workers", String(workers), "-events", "fd:3"], tags),
  };
}

/** The lifecycle project's exporter. */
export function reference(mode: Mode, command: string): Contender {
  return {
    name: `reference ${mode}`,
    kind: "reference",
    mode,
    run: (context) => runExporter({ command }, mode, context, []),
  };
}

/** Notes when the images are complete, from the lines of an exporter or creator, in ms since its start. */
export class ReadyTimes {
  appReadyMs: number | undefined;
  cacheReadyMs: number | undefined;
  #failure: string | undefined;

  readonly onLine = (line: string, atMs: number): void => {
    // The reference logs these lines when the registry has accepted the manifest. Our events may precede our log lines.
    if (line.startsWith("*** Images (") || line.startsWith('{"event":"app-image-ready"')) this.appReadyMs ??= atMs;
    if (line.startsWith("Timer: Cache ran for ") || line.startsWith('{"event":"cache-ready"'))
      this.cacheReadyMs ??= atMs;
    if (line.includes("Failed to export cache")) this.#failure = line;
  };

  /** @throws Error if the cache failed or the app image was never reported */
  check(command: string): void {
    if (this.#failure !== undefined) throw new Error(this.#failure);
    if (this.appReadyMs === undefined) throw new Error(`${command} did not report the app image`);
  }
}

async function runExporter(
  { command, args = [] }: Program,
  mode: Mode,
  { build, registries, tempDir }: RunContext,
  more: readonly string[],
  tags = 1,
): Promise<Run> {
  const { layersDir, appDir, launcher } = build.output;
  const [app, cache] = registries.linked;
  const ready = new ReadyTimes();
  const paths = ["-layers", layersDir, "-app", appDir, "-launcher", launcher, "-report", join(tempDir, "report.toml")];
  const owner = ["-uid", String(process.getuid?.() ?? 0), "-gid", String(process.getgid?.() ?? 0), "-no-color"];
  // The reference reports the cache at this level only.
  const log = ["-log-level", "debug"];
  const images = ["-cache-image", `${cache}/${CACHE}:latest`, ...(mode === "parallel" ? ["-parallel"] : [])];
  const names = ["latest", ...Array.from({ length: tags - 1 }, (_, i) => `tag-${i + 1}`)];
  const usage = await measure({
    command,
    args: [...args, ...paths, ...owner, ...log, ...images, ...more, ...names.map((tag) => `${app}/${APP}:${tag}`)],
    env: { CNB_PLATFORM_API: "0.13", TMPDIR: tempDir, ...registries.trust },
    onLine: ready.onLine,
  });
  ready.check(command);
  if (ready.cacheReadyMs === undefined) throw new Error(`${command} did not report the cache image`);
  return { ...usage, appReadyMs: ready.appReadyMs, cacheReadyMs: ready.cacheReadyMs };
}
