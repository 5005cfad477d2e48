import { join } from "node:path";
import type { BenchBuild } from "./make-build.ts";
import { measure, type Usage } from "./measure.ts";
import type { RegistryPair } from "./registries.ts";

/** How the two images are exported. */
export type Mode = "series" | "parallel";

/** What one run cost, and gave when. */
export interface Run extends Usage {
  /** From the start of the process until the registry had the app image's manifest, in ms; undefined for floors. */
  readonly appReadyMs?: number | undefined;
  readonly cacheReadyMs?: number | undefined;
  /** Towards the registries, in bytes. */
  readonly sentBytes?: number | undefined;
  /** Time of the cores that the registries took, in ms. */
  readonly registryMs?: number | undefined;
  /** What the link with the most to carry needs for that alone, in ms; undefined on loopback. */
  readonly transferMs?: number | undefined;
}

/** Where one run takes place: new registries, a new temporary directory. */
export interface Course {
  readonly build: BenchBuild;
  readonly registries: RegistryPair;
  readonly tempDir: string;
}

/**
 * Who takes part: ours; the reference; a peer, which makes images of the same files another way; a floor, which does a part of
 * the work only.
 */
export interface Entrant {
  readonly name: string;
  readonly kind: "tandem" | "reference" | "peer" | "floor";
  readonly mode?: Mode | undefined;
}

/** Somebody who does the work or a part of it. */
export interface Contender extends Entrant {
  /** For a floor that starts with the app image which the others end with. */
  readonly needsImage?: boolean;
  run(course: Course): Promise<Run>;
}

/** Names of the images of a course, without tag. */
export const APP = "bench/app";
export const CACHE = "bench/cache";

/** How an exporter is started. */
interface Program {
  readonly command: string;
  readonly args?: readonly string[];
}

const ROOT = join(import.meta.dirname, "..", "..");

/**
 * This project's exporter with a number of compressing threads, as platforms start it.
 * @param tags of the app image
 */
export function tandem(mode: Mode, workers: number, tags = 1): Contender {
  return tandemAs({ command: join(ROOT, "bin", "exporter") }, mode, workers, tags);
}

/** The same from its sources, whose functions have names, with flags for Node.js. */
export function tandemFromSources(mode: Mode, workers: number, flags: readonly string[]): Contender {
  return tandemAs({ command: process.execPath, args: [...flags, join(ROOT, "src", "cli.ts")] }, mode, workers);
}

function tandemAs(program: Program, mode: Mode, workers: number, tags = 1): Contender {
  return {
    name: `tandem ${mode}, ${workers} ${workers === 1 ? "worker" : "workers"}`,
    kind: "tandem",
    mode,
    run: (course) => runExporter(program, mode, course, ["-workers", String(workers), "-events", "fd:3"], tags),
  };
}

/** The exporter of the lifecycle project. */
export function reference(mode: Mode, command: string): Contender {
  return {
    name: `reference ${mode}`,
    kind: "reference",
    mode,
    run: (course) => runExporter({ command }, mode, course, []),
  };
}

async function runExporter(
  program: Program,
  mode: Mode,
  course: Course,
  more: readonly string[],
  tags = 1,
): Promise<Run> {
  const { build, registries, tempDir } = course;
  const { layersDir, appDir, launcher } = build.output;
  const [app, cache] = registries.linked;
  let appReadyMs: number | undefined;
  let cacheReadyMs: number | undefined;
  let failure = "";
  const onLine = (line: string, atMs: number): void => {
    // The reference logs when a manifest is accepted; our event may come before our log line.
    if (line.startsWith("*** Images (") || line.startsWith('{"event":"app-image-ready"')) appReadyMs ??= atMs;
    if (line.startsWith("Timer: Cache ran for ") || line.startsWith('{"event":"cache-ready"')) cacheReadyMs ??= atMs;
    if (line.includes("Failed to export cache")) failure = line;
  };
  const paths = ["-layers", layersDir, "-app", appDir, "-launcher", launcher, "-report", join(tempDir, "report.toml")];
  const owner = ["-uid", String(process.getuid?.() ?? 0), "-gid", String(process.getgid?.() ?? 0), "-no-color"];
  // Only then the reference says when the cache is there.
  const log = ["-log-level", "debug"];
  const images = ["-cache-image", `${cache}/${CACHE}:latest`, ...(mode === "parallel" ? ["-parallel"] : [])];
  const names = ["latest", ...Array.from({ length: tags - 1 }, (_, i) => `tag-${i + 1}`)];
  const usage = await measure({
    command: program.command,
    args: [
      ...(program.args ?? []),
      ...paths,
      ...owner,
      ...log,
      ...images,
      ...more,
      ...names.map((tag) => `${app}/${APP}:${tag}`),
    ],
    env: { CNB_PLATFORM_API: "0.13", TMPDIR: tempDir },
    onLine,
  });
  if (failure !== "") throw new Error(failure);
  if (appReadyMs === undefined || cacheReadyMs === undefined)
    throw new Error(`${program.command} did not say what was ready`);
  return { ...usage, appReadyMs, cacheReadyMs };
}
