import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { beforeAll, beforeEach } from "vitest";
import { mountsOf } from "../files/mounts.ts";
import type { CertificateFile } from "../network/certificate.ts";
import { onFreePort, ServerProcess } from "../network/server-process.ts";
import { findProgram } from "../process/find-program.ts";

const run = promisify(execFile);

/** Each with the environment variable that may contain its path. */
const PROGRAMS = [
  ["dockerd", "DOCKERD"],
  ["podman", "PODMAN"],
  ["docker", "DOCKER_CLI"],
  ["busybox", "BUSYBOX"],
] as const;

const [dockerd = "dockerd", podman = "podman", docker = "docker", busybox = "busybox"] = PROGRAMS.map(
  ([name, variable]) => findProgram(name, variable),
);

export type EngineKind = "docker" | "podman";

/** @returns why this machine cannot run a daemon; undefined if it is worth trying */
function engineProblem(kind: EngineKind): string | undefined {
  if (process.getuid?.() !== 0) return `the daemon of ${kind} needs root`;
  const other = kind === "docker" ? "podman" : "dockerd";
  const missing = PROGRAMS.filter(([name, variable]) => name !== other && findProgram(name, variable) === undefined);
  if (missing.length === 0) return undefined;
  const names = missing.map(([name]) => name).join(", ");
  return `${names} not installed (Debian: apt-get install docker.io podman busybox-static)`;
}

/** Clients must have a certificate of this authority. */
export interface DockerTls {
  readonly authority: string;
  readonly server: CertificateFile;
}

/** A daemon's image store: its own storage, or containerd's. */
type Store = "classic" | "containerd";

/** DOCKER_STORE selects the newer store, if the machine's docker has it (23 and newer). */
const STORE: Store = process.env.DOCKER_STORE === "containerd" ? "containerd" : "classic";

/** The first is the one that needs no special file system. */
const DRIVERS: Readonly<Record<Store, string>> = { classic: "vfs", containerd: "overlayfs" };

/** A daemon without a network, with its storage and socket in a temporary directory. */
export class DockerEngine implements AsyncDisposable {
  readonly kind: EngineKind;
  readonly host: string;
  readonly tlsHost: string | undefined;
  readonly #directory: string;
  readonly #process: ServerProcess;
  /** IDs by name. */
  readonly #runImages = new Map<string, Promise<string>>();

  private constructor(
    kind: EngineKind,
    hosts: { readonly plain: string; readonly tls?: string },
    directory: string,
    process: ServerProcess,
  ) {
    this.kind = kind;
    this.host = hosts.plain;
    this.tlsHost = hosts.tls;
    this.#directory = directory;
    this.#process = process;
  }

  /** @returns why there is no daemon, if none can run here; a container without privileges shows that only on use */
  static async startIfPossible(kind: EngineKind = "docker", tls?: DockerTls): Promise<DockerEngine | string> {
    const problem = engineProblem(kind);
    if (problem !== undefined) return problem;
    const started = kind === "docker" ? DockerEngine.start(tls) : DockerEngine.startPodman();
    return started.then((engine) => engine.#tried()).catch((error: unknown) => String(error));
  }

  /** @throws Error if the daemon, though it has started, may not unpack an image or run a container */
  async #tried(): Promise<DockerEngine> {
    try {
      await this.run(await this.importRunImage("run:base"), [], ["sh", "-c", ":"]);
      return this;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws Error with the end of the daemon's log if it does not start */
  static async start(tls?: DockerTls): Promise<DockerEngine> {
    return await (tls === undefined
      ? DockerEngine.#start()
      : onFreePort((port) => DockerEngine.#start({ ...tls, port })));
  }

  static async #start(tls?: DockerTls & { readonly port: number }): Promise<DockerEngine> {
    const directory = mkdtempSync(join(tmpdir(), "docker-engine-"));
    const plain = `unix://${join(directory, "docker.sock")}`;
    const hosts = tls === undefined ? { plain } : { plain, tls: `tcp://127.0.0.1:${tls.port}` };
    const config = join(directory, "daemon.json");
    writeFileSync(config, JSON.stringify({ features: { "containerd-snapshotter": STORE === "containerd" } }));
    const args = [
      ["--config-file", config, "--host", plain],
      ["--data-root", join(directory, "data")],
      ["--exec-root", join(directory, "exec")],
      ["--pidfile", join(directory, "pid")],
      ["--storage-driver", DRIVERS[STORE], "--bridge", "none", "--iptables=false"],
      tls === undefined ? [] : tlsFlags(hosts.tls ?? "", tls),
    ].flat();
    try {
      // If containerd answers too late, as on a busy machine, dockerd sends it SIGUSR1, on which it writes its stacks
      // to TMPDIR.
      const env = { ...process.env, TMPDIR: directory };
      const daemon = await ServerProcess.start({ path: dockerd, args, env }, join(directory, "docker.sock"));
      return new DockerEngine("docker", hosts, directory, daemon);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Podman's service. @throws Error with the end of its log if it does not start */
  static async startPodman(): Promise<DockerEngine> {
    // Podman takes at most 50 characters for the path of its run root.
    const directory = mkdtempSync(join(tmpdir(), "podman-"));
    const socket = join(directory, "podman.sock");
    const hosts = { plain: `unix://${socket}` };
    const args = [...podmanPaths(directory), "system", "service", "--time", "0", hosts.plain];
    const env = podmanEnvironment(directory);
    writeFileSync(env.CONTAINERS_CONF, '[engine]\nlock_type = "file"\n');
    // Podman 4.3 leaves its --runtime-flag out when it deletes a container, on which runc creates /run/runc.
    const runc = `#!/bin/sh\nexec runc --root '${join(directory, "runc-root")}' "$@"\n`;
    writeFileSync(join(directory, "runc"), runc, { mode: 0o755 });
    try {
      const process = await ServerProcess.start({ path: podman, args, env }, socket);
      return new DockerEngine("podman", hosts, directory, process);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** True if every image must be loaded with all layers, even those that the daemon has. */
  get wantsAllLayers(): boolean {
    return this.kind === "docker" && STORE === "containerd";
  }

  get socketPath(): string {
    return this.host.slice("unix://".length);
  }

  /** Runs docker's own client. @returns its stdout */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(docker, ["--host", this.host, ...args]);
    return stdout.trim();
  }

  /** Runs a command in a new container without a network, and removes the container. @returns its stdout */
  async run(image: string, options: readonly string[] = [], command: readonly string[] = []): Promise<string> {
    const args = ["run", "--rm", "--network", "none", ...options, image, ...command];
    if (this.kind === "docker") return this.docker(...args);
    // Docker's client attaches to a container before it runs, which podman does not support.
    const own = [...podmanPaths(this.#directory), ...args.toSpliced(1, 0, ...WITHOUT_RIGHTS)];
    const { stdout } = await run(podman, own, { env: podmanEnvironment(this.#directory) });
    return stdout.trim();
  }

  async majorVersion(): Promise<number> {
    return Number.parseInt(await this.docker("version", "--format", "{{.Server.Version}}"), 10);
  }

  /** @throws Error if the daemon does not have the image */
  async inspect(image: string): Promise<Inspected> {
    const path = `/images/${encodeURIComponent(image)}/json`;
    const asked = request({ socketPath: this.socketPath, path, agent: false }).end();
    const response: IncomingMessage = (await once(asked, "response"))[0];
    const answer = await text(response);
    if (response.statusCode !== 200) throw new Error(`${path}: ${answer}`);
    return JSON.parse(answer);
  }

  /** Creates a run image with a shell, unless it has been created before. @returns its ID */
  importRunImage(name: string): Promise<string> {
    const known = this.#runImages.get(name) ?? this.#importRunImage(name);
    this.#runImages.set(name, known);
    return known;
  }

  async #importRunImage(name: string): Promise<string> {
    const root = join(this.#directory, "rootfs");
    if (!existsSync(root)) {
      mkdirSync(join(root, "bin"), { recursive: true });
      copyFileSync(busybox, join(root, "bin", "busybox"));
      chmodSync(join(root, "bin", "busybox"), 0o755);
      symlinkSync("busybox", join(root, "bin", "sh"));
    }
    writeFileSync(join(root, "name"), name);
    return await this.importImage(name, root, ["ENV PATH=/bin", "LABEL run=yes"]);
  }

  /** Creates an image from a directory. @param changes instructions of a Dockerfile @returns its ID */
  async importImage(name: string, root: string, changes: readonly string[] = []): Promise<string> {
    const archive = join(this.#directory, "rootfs.tar");
    execFileSync("tar", ["--create", "--file", archive, "--directory", root, "."]);
    await this.docker("import", ...changes.flatMap((change) => ["--change", change]), archive, name);
    return (await this.inspect(name)).Id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    // The daemon leaves the network namespace of a container that used the host's, and, stopped early, its data root.
    for (const mount of mountsOf(this.#directory).toReversed()) await run("umount", [mount]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * The daemon of a suite's tests, started before the first of them. If it cannot run, they are skipped, and a warning
 * says why.
 * @param tests for the warning: their subject
 * @param prepare runs before the tests, if the daemon does
 * @returns gives the daemon to `prepare` and the tests
 */
export function sharedEngine(
  tests: string,
  start = () => DockerEngine.startIfPossible(),
  prepare?: () => Promise<void>,
): () => DockerEngine {
  let engine: DockerEngine | string;
  beforeAll(async () => {
    const started = await start();
    engine = started;
    if (typeof started !== "string") return () => started[Symbol.asyncDispose]();
    console.warn(`${tests} are skipped: ${started}`);
    return undefined;
  });
  beforeAll(async () => {
    if (typeof engine !== "string") await prepare?.();
  });
  beforeEach(({ skip }) => skip(typeof engine === "string"));
  return () => {
    if (typeof engine === "string") throw new Error(engine);
    return engine;
  };
}

/** By default, podman raises limits and creates a cgroup, for which it lacks the privileges in most containers. */
const WITHOUT_RIGHTS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

function podmanPaths(directory: string): string[] {
  return [
    ["--root", join(directory, "data"), "--runroot", join(directory, "run"), "--tmpdir", join(directory, "tmp")],
    ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"],
    ["--runtime", join(directory, "runc")],
  ].flat();
}

/**
 * Otherwise its locks would be in /dev/shm, one permanent file for all podmans of a machine, and every loaded image
 * would stay in TMPDIR.
 */
function podmanEnvironment(directory: string) {
  return { ...process.env, CONTAINERS_CONF: join(directory, "containers.conf"), TMPDIR: directory };
}

export interface Inspected {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RootFS: { readonly Layers: readonly string[] };
  readonly Config: {
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly WorkingDir: string;
    readonly Labels: Readonly<Record<string, string>>;
  };
}

function tlsFlags(host: string, { authority, server }: DockerTls): string[] {
  const { certificate, key } = server;
  return ["--host", host, "--tlsverify", "--tlscacert", authority, "--tlscert", certificate, "--tlskey", key];
}
