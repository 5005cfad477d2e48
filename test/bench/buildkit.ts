import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { APP, CACHE, type Contender, type Course } from "./contender.ts";
import { measure } from "./measure.ts";
import { quote, readyWatch, sayReady } from "./peer-script.ts";
import { parseTimes, parseWritten, peakOf, readProc } from "./proc.ts";

/**
 * `buildctl build` of a Dockerfile that copies each directory into a layer of an empty image, for both images at once, by one
 * daemon, which shares what they have in common. The daemon is new and knows nothing, but its start is not measured; its time
 * and memory are.
 */
export function buildkit(daemon: string, client: string): Contender {
  return {
    name: "buildctl build, both images at once",
    kind: "peer",
    run: async (course: Course) => {
      const { build, registries, tempDir } = course;
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
      const cpuMs = (): number => parseTimes(readProc(`${running.pid}/stat`)).ownMs;
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

/** The rest of the log is read and dropped, or the pipe would fill up. */
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
