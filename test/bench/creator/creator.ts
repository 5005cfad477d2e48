import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../../../scripts/script.ts";
import { pushRunImage } from "../../support/images/run-image.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { bufferBytes, describeLink, type Link } from "../network/links.ts";
import { type RegistryKind, readPushedImage, startRegistryPair } from "../network/registries.ts";
import { type CreatorBuild, type CreatorRun, measuredNow, type StoredCreator } from "../results.ts";
import { APP, CACHE, ReadyTimes } from "../run/contender.ts";
import { cpuTimeIn, measure } from "../run/measure.ts";
import { RUN_IMAGE, settleDisk } from "../run/prepare.ts";
import { type CreatorSources, makeSources, writeBuildpacks } from "./buildpacks.ts";

/*
 * Whole builds with `creator`, with the phases of the lifecycle project: how long after the end of the build is the app
 * image ready? Each contender builds three times in a row in the same registries: a first build, an unchanged rebuild,
 * and a build with one changed dependency.
 */

/** Makes our creator export only after the build. */
const NO_EARLY_EXPORT = ["-early", "none"] as const;

/** Phases refuse to build as root. */
const USER =
  process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

const API = "0.13";

const BUILDS: readonly CreatorBuild[] = ["first", "rebuild", "change"];

export interface CreatorContender {
  readonly name: string;
  readonly kind: "tandem" | "reference";
  readonly command: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CreatorOptions {
  readonly links: readonly Link[];
  readonly rounds: number;
  readonly sizeFactor: number;
  readonly tempDir: string;
  /** Directory with the reference's phases and its creator. */
  readonly lifecycle: string;
  readonly onProgress: (text: string) => void;
}

/** Destination of the images. */
export interface Target extends AsyncDisposable {
  readonly runImage: string;
  readonly appImage: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Identifies the layers of the finished app image. */
  layers(): Promise<string>;
}

/**
 * Measures all contenders on all links, then with the daemon at DOCKER_HOST, unless this process is in a network
 * namespace.
 * @param onResult called with each completed target and link
 */
export async function measureCreator(
  options: CreatorOptions,
  onResult: (results: readonly StoredCreator[]) => void,
): Promise<void> {
  const { links, sizeFactor, tempDir, onProgress } = options;
  const sources = await makeSources(join(tempDir, "creator-sources"), sizeFactor);
  for (const link of links) {
    onProgress(`creator, registry, ${describeLink(link)}`);
    onResult(await measureTarget("registry", link.name, () => openRegistry(link), sources, options));
  }
  const isInNamespace = bufferBytes() !== undefined;
  const docker = findProgram("docker", "DOCKER_CLI");
  if (isInNamespace || docker === undefined || !process.env.DOCKER_HOST) return;
  onProgress("creator, daemon");
  const open = (root: string): Promise<Target> => openDaemon(docker, process.env.DOCKER_HOST ?? "", root);
  onResult(await measureTarget("daemon", "free", open, sources, options));
}

async function measureTarget(
  target: StoredCreator["target"],
  link: string,
  open: (root: string) => Promise<Target>,
  sources: CreatorSources,
  { rounds, sizeFactor, tempDir, lifecycle, onProgress }: CreatorOptions,
): Promise<readonly StoredCreator[]> {
  const contenders = creatorContenders(lifecycle).map((contender) => ({ contender, runs: noRuns() }));
  const layers = new Map<CreatorBuild, string>();
  for (let round = 0; round < rounds; round++) {
    for (const { contender, runs } of contenders) {
      // The same path for all: tars of layers contain it.
      const root = join(tempDir, "creator");
      mkdirSync(root);
      try {
        await using opened = await open(root);
        const platform = new Platform(root, opened.runImage, sources, lifecycle);
        for (const build of BUILDS) {
          platform.reset(build);
          const run = await platform.create(contender, opened);
          runs[build].push(run);
          onProgress(`  ${contender.name}, ${build}: ${describeRun(run)}`);
          const pushed = await opened.layers();
          if ((layers.get(build) ?? pushed) !== pushed)
            throw new Error(`${contender.name} exported other layers: ${pushed}`);
          layers.set(build, pushed);
        }
      } finally {
        rmSync(root, { recursive: true });
      }
    }
  }
  const network = bufferBytes();
  const common = {
    ...measuredNow(),
    target,
    link,
    sizeFactor,
    ...(network === undefined ? {} : { bufferBytes: network }),
  };
  return BUILDS.map((build) => ({
    ...common,
    build,
    results: contenders.map(({ contender: { name, kind }, runs }) => ({
      contender: { name, kind },
      runs: runs[build],
    })),
  }));
}

function noRuns(): Record<CreatorBuild, CreatorRun[]> {
  return { first: [], rebuild: [], change: [] };
}

function describeRun({ buildMs, readyMs, endMs, takenShare }: CreatorRun): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  const taken = takenShare === undefined ? "" : ` (the creator took ${(100 * takenShare).toFixed(2)}% of the cores)`;
  return `build ${seconds(buildMs)} s${taken}, then app image ready after ${seconds(readyMs)} s, end after ${seconds(endMs)} s`;
}

/** Ours comes first. */
export function creatorContenders(lifecycle: string): readonly CreatorContender[] {
  const command = join(ROOT, "bin", "creator");
  const env = { CNB_LIFECYCLE_DIR: lifecycle };
  const events = ["-events", "fd:3"];
  const ours: CreatorContender = { name: "tandem", kind: "tandem", command, flags: events, env };
  // Releases before early export do not know the flag.
  const help = spawnSync(command, ["-help"], { encoding: "utf8", env: { ...process.env, CNB_PLATFORM_API: API } });
  const hasEarlyExport = `${help.stdout}${help.stderr}`.includes(NO_EARLY_EXPORT[0]);
  const late = { ...ours, name: "tandem, export after the build", flags: [...events, ...NO_EARLY_EXPORT] };
  return [
    ours,
    ...(hasEarlyExport ? [late] : []),
    { name: "reference", kind: "reference", command: join(lifecycle, "creator"), flags: [], env: {} },
  ];
}

export async function openRegistry(link: Link, kind?: RegistryKind): Promise<Target> {
  const registries = await startRegistryPair(link, kind);
  const { direct, linked, access } = registries;
  await pushRunImage(`${direct[0]}/${RUN_IMAGE}`, access);
  return {
    runImage: `${linked[0]}/${RUN_IMAGE}:latest`,
    appImage: `${linked[0]}/${APP}:latest`,
    flags: ["-parallel", "-cache-image", `${linked[1]}/${CACHE}:latest`],
    env: {},
    layers: async () => (await readPushedImage(`${direct[0]}/${APP}`, access)).diffIds.join(),
    [Symbol.asyncDispose]: () => registries[Symbol.asyncDispose](),
  };
}

/** @param root for the caches */
async function openDaemon(docker: string, host: string, root: string): Promise<Target> {
  const [runImage, appImage] = ["tandem-bench/run:latest", "tandem-bench/app:latest"];
  const run = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(docker, ["--host", host, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const [rootfs, archive] = [join(root, "rootfs"), join(root, "rootfs.tar")];
  mkdirSync(join(rootfs, "etc"), { recursive: true });
  writeFileSync(join(rootfs, "etc", "os-release"), 'ID="bench"\n');
  // The same layer each time.
  spawnSync("tar", ["--create", "--mtime=@0", "--file", archive, "--directory", rootfs, "."]);
  run("import", "--change", "ENV PATH=/usr/bin:/bin", archive, runImage);
  // Each build leaves its predecessor's image without a name. The next contender must not find its layers.
  const images = new Set([runImage]);
  const caches = ["cache", "launch-cache"].map((name) => join(root, name));
  for (const cache of caches) makeOwned(cache);
  return {
    runImage,
    appImage,
    flags: ["-daemon", "-cache-dir", caches[0] ?? "", "-launch-cache", caches[1] ?? ""],
    env: { DOCKER_HOST: host },
    layers: async () => {
      images.add(run("image", "inspect", "--format", "{{.Id}}", appImage));
      return run("image", "inspect", "--format", "{{json .RootFS.Layers}}", appImage);
    },
    async [Symbol.asyncDispose]() {
      for (const image of images) spawnSync(docker, ["--host", host, "image", "rm", "--force", image]);
    },
  };
}

function makeOwned(directory: string): void {
  mkdirSync(directory, { recursive: true });
  chownSync(directory, USER.uid, USER.gid);
}

/** The directories and files that a builder image and a platform provide. */
export class Platform {
  readonly #root: string;
  readonly #inputs: readonly string[];
  /** Files into which the buildpacks write when the build began and ended. */
  readonly #stamps: { readonly start: string; readonly end: string };

  constructor(root: string, runImage: string, sources: CreatorSources, lifecycle: string) {
    this.#root = root;
    this.#inputs = [sources.jre, sources.dependencies, sources.sources, sources.app];
    chmodSync(root, 0o755);
    for (const name of ["tmp", "home", "stamps"]) makeOwned(join(root, name));
    this.#stamps = { start: join(root, "stamps", "start"), end: join(root, "stamps", "end") };
    writeBuildpacks(join(root, "buildpacks"), sources, this.#stamps);
    for (const name of ["platform/env", "build-config/env"]) mkdirSync(join(root, name), { recursive: true });
    const ids = sources.buildpacks.map((id) => `[[order.group]]\nid = "${id}"\nversion = "0.1.0"\n`);
    this.#write("order.toml", `[[order]]\n${ids.join("")}`);
    this.#write("run.toml", `[[images]]\nimage = "${runImage}"\n`);
    this.#write("sbom/launcher.sbom.cdx.json", "{}\n");
    copyFileSync(join(lifecycle, "launcher"), join(root, "launcher"));
  }

  #write(path: string, text: string): void {
    const target = join(this.#root, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  /** Simulates a new container: a fresh checkout of the app, and no layers. */
  reset(build: CreatorBuild): void {
    for (const name of ["workspace", "layers"]) {
      rmSync(join(this.#root, name), { recursive: true, force: true });
      makeOwned(join(this.#root, name));
    }
    this.#write("workspace/dependency-version", build === "change" ? "2\n" : "1\n");
  }

  async create(contender: CreatorContender, target: Target): Promise<CreatorRun> {
    settleDisk(...this.#inputs);
    const below = (path: string): string => join(this.#root, path);
    const ready = new ReadyTimes();
    const startedAt = Date.now();
    const { wallMs, cpuMs } = await measure({
      command: contender.command,
      args: [
        ...["-app", below("workspace"), "-layers", below("layers"), "-platform", below("platform")],
        ...["-buildpacks", below("buildpacks"), "-order", below("order.toml"), "-launcher", below("launcher")],
        ...["-build-config", below("build-config"), "-launcher-sbom", below("sbom"), "-run", below("run.toml")],
        ...["-uid", String(USER.uid), "-gid", String(USER.gid), "-no-color"],
        ...target.flags,
        ...contender.flags,
        target.appImage,
      ],
      env: {
        CNB_PLATFORM_API: API,
        HOME: below("home"),
        TMPDIR: below("tmp"),
        ...target.env,
        ...contender.env,
      },
      ownGroup: true,
      onLine: ready.onLine,
    });
    ready.check(contender.command);
    const [start, end] = [readStamp(this.#stamps.start), readStamp(this.#stamps.end)];
    const buildMs = end.ms - start.ms;
    const times = { buildMs, readyMs: startedAt + (ready.appReadyMs ?? Number.NaN) - end.ms };
    // The reference's creator is the builder.
    const takenShare =
      contender.kind === "tandem" ? { takenShare: (end.cpuMs - start.cpuMs) / (availableParallelism() * buildMs) } : {};
    return { ...times, endMs: startedAt + wallMs - end.ms, cpuMs, ...takenShare };
  }
}

/** Reads what the buildpacks wrote: the time and the creator's CPU time, in ms. */
function readStamp(path: string): { readonly ms: number; readonly cpuMs: number } {
  const [time = "", stat = ""] = readFileSync(path, "utf8").split("\n");
  return { ms: Number(time) * 1000, cpuMs: cpuTimeIn(stat) };
}
