import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findProgram } from "../../support/process/find-program.ts";
import type { Link } from "../network/links.ts";
import type { Scenario } from "../scenarios.ts";
import { APP, CACHE, type Contender, type Mode, type RunContext, reference, tandem } from "./contender.ts";
import { cpuTimeOf, measure, parseWritten, peakOf, readProc } from "./measure.ts";

/**
 * The contenders of a cell in the order of their turns: tandem and the reference in each mode, then peers (on loopback)
 * and floors.
 * @param program the reference exporter, if there is one
 */
export function contendersOf(
  { modes, before, registries = "plain" }: Scenario,
  link: Link,
  workers: readonly number[],
  program: string | undefined,
): Contender[] {
  const isLoopback = link.bytesPerSecond === undefined;
  // On a link the number of threads hardly matters, and runs are long.
  const counts = isLoopback ? workers : workers.slice(-1);
  const exporters = modes.flatMap((mode) => exportersOf(mode, counts, program));
  if (before !== "nothing" || registries !== "plain") return exporters;
  return [...exporters, ...(isLoopback ? peers() : []), ...floors(isLoopback)];
}

/** The contenders of the front page: tandem with the most workers and the reference, with `-parallel`. */
export function frontContenders(workers: readonly number[], program: string | undefined): Contender[] {
  return exportersOf("parallel", workers.slice(-1), program);
}

function exportersOf(mode: Mode, workers: readonly number[], program: string | undefined): Contender[] {
  return [...workers.map((count) => tandem(mode, count)), ...(program === undefined ? [] : [reference(mode, program)])];
}

/** Installed programs that build two images of the same directories and push them. */
function peers(): readonly Contender[] {
  const [cranePath, daemon, client] = [
    findProgram("crane", "CRANE"),
    findProgram("buildkitd", "BUILDKITD"),
    findProgram("buildctl", "BUILDCTL"),
  ];
  return [
    ...(cranePath === undefined ? [] : [crane(cranePath)]),
    ...(daemon === undefined || client === undefined ? [] : [buildkit(daemon, client)]),
  ];
}

/**
 * `tar` of each directory, then `crane append` of the tars to an empty image, for both images at once. crane shares its
 * library with the reference: it compresses with Go's gzip at BestSpeed, once for the digest and again for the upload.
 */
function crane(program: string): Contender {
  return {
    name: "tar, crane append, both images at once",
    kind: "peer",
    run: async ({ build, registries, tempDir }: RunContext) => {
      const { app, cache } = build.images;
      const all = [...new Set([...app, ...cache])];
      const tarOf = (directory: string): string => `${tempDir}/${all.indexOf(directory)}.tar`;
      const tars = all.map(
        (directory) => `tar -C ${quote(build.output.root)} -cf ${tarOf(directory)} ${quote(directory)} &`,
      );
      const append = (directories: readonly string[], image: string): string =>
        `${program} append --oci-empty-base -t ${image} ${directories.map((one) => `-f ${tarOf(one)}`).join(" ")}`;
      const [appHost, cacheHost] = registries.linked;
      const lines = [
        "set -e",
        ...tars,
        "wait",
        `(${append(app, `${appHost}/${APP}:latest`)} && ${sayReady("app")}) & one=$!`,
        ...(cache.length === 0 ? [] : [`${append(cache, `${cacheHost}/${CACHE}:latest`)} && ${sayReady("cache")}`]),
        "wait $one",
      ];
      const ready = readyWatch();
      const usage = await measure({ command: "/bin/sh", args: ["-c", lines.join("\n")], onLine: ready.onLine });
      return { ...usage, ...ready.times() };
    },
  };
}

/**
 * `buildctl build` of a Dockerfile that copies each directory into a layer of an empty image, for both images at once,
 * by one new daemon, which deduplicates shared layers. The daemon's CPU time and memory are measured, its start is not.
 */
function buildkit(daemon: string, client: string): Contender {
  return {
    name: "buildctl build, both images at once",
    kind: "peer",
    run: async (context: RunContext) => {
      const { build, registries, tempDir } = context;
      const state = join(tempDir, "buildkit");
      mkdirSync(state);
      const socket = `unix://${join(state, "socket")}`;
      await using running = await startDaemon(daemon, ["--addr", socket, "--root", join(state, "root")]);
      const command = (name: string, directories: readonly string[], image: string): string => {
        const dockerfile = ["FROM scratch", ...directories.map((one) => `COPY ${one} /${one}`)];
        writeFileSync(join(state, name), `${dockerfile.join("\n")}\n`);
        const output = `type=image,name=${image},push=true,compression=gzip,oci-mediatypes=true,registry.insecure=true`;
        const locals = `--local context=${quote(build.output.root)} --local dockerfile=${quote(state)}`;
        const frontend = `--progress plain --frontend dockerfile.v0 --opt filename=${name} ${locals}`;
        return `${client} --addr ${quote(socket)} build ${frontend} --output ${output} 2>&1`;
      };
      const { app, cache } = build.images;
      const [appHost, cacheHost] = registries.linked;
      const lines = [
        "set -e",
        `(${command("app", app, `${appHost}/${APP}:latest`)} && ${sayReady("app")}) & one=$!`,
        ...(cache.length === 0
          ? []
          : [`${command("cache", cache, `${cacheHost}/${CACHE}:latest`)} && ${sayReady("cache")}`]),
        "wait $one",
      ];
      const cpuMs = (): number => cpuTimeOf(running.pid);
      const writtenBytes = (): number => parseWritten(readProc(`${running.pid}/io`));
      const before = { cpuMs: cpuMs(), writtenBytes: writtenBytes() };
      const ready = readyWatch();
      const usage = await measure({ command: "/bin/sh", args: ["-c", lines.join("\n")], onLine: ready.onLine });
      return {
        wallMs: usage.wallMs,
        cpuMs: usage.cpuMs + cpuMs() - before.cpuMs,
        peakBytes: usage.peakBytes + peakOf(running.pid),
        writtenBytes: usage.writtenBytes + writtenBytes() - before.writtenBytes,
        ...ready.times(),
      };
    },
  };
}

async function startDaemon(command: string, args: readonly string[]): Promise<AsyncDisposable & { pid: number }> {
  const child = spawn(command, ["--oci-worker=true", "--containerd-worker=false", "--oci-worker-gc=false", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await saidRunning(child);
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.kill()) await once(child, "exit");
    },
  };
}

/** Keeps draining the log, or the pipe would fill up. */
async function saidRunning(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const lines: string[] = [];
  if (child.stderr === null) throw new Error("buildkitd has no stderr");
  createInterface(child.stderr).on("line", (line) => {
    if (lines.length < 20) lines.push(line);
    if (line.includes("running server on")) resolve();
  });
  child.once("error", reject);
  child.once("exit", () => reject(new Error(`buildkitd did not start:\n${lines.join("\n")}`)));
  await promise;
}

/** Quotes a word for the shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function sayReady(image: "app" | "cache"): string {
  return `echo ready: ${image}`;
}

/** Notes the lines of {@link sayReady}, in ms since the start of the script. */
function readyWatch(): {
  readonly onLine: (line: string, atMs: number) => void;
  times(): { readonly appReadyMs?: number; readonly cacheReadyMs?: number };
} {
  const times: { appReadyMs?: number; cacheReadyMs?: number } = {};
  return {
    onLine: (line, atMs) => {
      if (line === "ready: app") times.appReadyMs = atMs;
      if (line === "ready: cache") times.cacheReadyMs = atMs;
    },
    times: () => times,
  };
}

/** A pipeline over every file of the build, once: the work that no exporter can avoid. */
function pipeline(name: string, command: string): Contender {
  return {
    name,
    kind: "floor",
    run: async ({ build }) =>
      await measure({ command: "/bin/sh", args: ["-c", `${command} > /dev/null`, "sh", build.output.root] }),
  };
}

/** Pushes the finished app image through the same link: the upload alone. */
const skopeo: Contender = {
  name: "skopeo copy of the finished app image",
  kind: "floor",
  needsImage: true,
  run: async ({ registries, tempDir }: RunContext) => {
    const layout = `oci:${join(tempDir, "layout")}:app`;
    const copy = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
    const made = spawnSync("skopeo", [...copy, `docker://${registries.direct[0]}/${APP}:latest`, layout]);
    if (made.status !== 0) throw new Error(`skopeo: ${made.stderr}`);
    // The second registry is empty.
    return await measure({
      command: "skopeo",
      args: [...copy, layout, `docker://${registries.linked[1]}/${APP}:latest`],
    });
  },
};

/** Floors whose programs are installed. */
function floors(isLoopback: boolean): readonly Contender[] {
  const tar = 'tar -C "$1" -cf - layers workspace';
  const cores = availableParallelism();
  const pipelines = [
    { program: "gzip", name: "tar | gzip -1 | sha256sum", command: `${tar} | gzip -1 | sha256sum` },
    { program: "pigz", name: `tar | pigz -1 -p ${cores}`, command: `${tar} | pigz -1 -p ${cores}` },
    { program: "igzip", name: `tar | igzip -1 -T${cores}`, command: `${tar} | igzip -1 -T${cores}` },
  ];
  return [
    ...(isLoopback ? pipelines : [])
      .filter(({ program }) => findProgram(program) !== undefined)
      .map(({ name, command }) => pipeline(name, command)),
    ...(findProgram("skopeo") !== undefined ? [skopeo] : []),
  ];
}
