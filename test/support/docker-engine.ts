import { execFile, execFileSync } from "node:child_process";
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
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { CertificateFile } from "./certificate.ts";
import { findProgram } from "./find-program.ts";
import { onFreePort, ServerProcess } from "./server-process.ts";

const run = promisify(execFile);

/** Each with the variable of the environment that may name another path. */
const PROGRAMS = [
  ["dockerd", "DOCKERD"],
  ["podman", "PODMAN"],
  ["docker", "DOCKER_CLI"],
  ["busybox", "BUSYBOX"],
] as const;

const [dockerd = "dockerd", podman = "podman", docker = "docker", busybox = "busybox"] = PROGRAMS.map(
  ([name, variable]) => findProgram(name, variable),
);

/** Whose daemon: both have docker's API. */
export type EngineKind = "docker" | "podman";

/** Why no daemon can run on this machine; undefined when one can be tried. */
function engineProblem(kind: EngineKind): string | undefined {
  if (process.getuid?.() !== 0) return `the daemon of ${kind} needs root`;
  const other = kind === "docker" ? "podman" : "dockerd";
  const missing = PROGRAMS.filter(([name, variable]) => name !== other && findProgram(name, variable) === undefined);
  if (missing.length === 0) return undefined;
  const names = missing.map(([name]) => name).join(", ");
  return `${names} not installed (Debian: apt-get install docker.io podman busybox-static)`;
}

/** Who may speak to a daemon over TCP: whoever shows a certificate of this authority. */
export interface DockerTls {
  /** A file in PEM. */
  readonly authority: string;
  readonly server: CertificateFile;
}

/** Where a daemon keeps images: as docker always did, or in containerd's store. */
type Store = "classic" | "containerd";

/** The newer store is chosen with DOCKER_STORE, on a machine whose docker has it (23 and newer). */
const STORE: Store = process.env.DOCKER_STORE === "containerd" ? "containerd" : "classic";

/** Of the first, the one that needs no file system of a special kind. */
const DRIVERS: Readonly<Record<Store, string>> = { classic: "vfs", containerd: "overlayfs" };

/** A daemon of our own: without a network, with storage and socket in a directory that ends with it. */
export class DockerEngine implements AsyncDisposable {
  readonly kind: EngineKind;
  /** For DOCKER_HOST. */
  readonly host: string;
  /** The same over TLS; undefined when it was started without. */
  readonly tlsHost: string | undefined;
  readonly #directory: string;
  readonly #process: ServerProcess;

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

  /** @returns why there is none, if there cannot be one here; a container without rights shows that only now */
  static async startIfPossible(kind: EngineKind = "docker", tls?: DockerTls): Promise<DockerEngine | string> {
    const problem = engineProblem(kind);
    if (problem !== undefined) return problem;
    const started = kind === "docker" ? DockerEngine.start(tls) : DockerEngine.startPodman();
    return started.catch((error: unknown) => String(error));
  }

  /** @throws Error with the end of the daemon's log when it does not come up */
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
      const process = await ServerProcess.start({ path: dockerd, args }, join(directory, "docker.sock"));
      return new DockerEngine("docker", hosts, directory, process);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Podman's service. @throws Error with the end of its log when it does not come up */
  static async startPodman(): Promise<DockerEngine> {
    // Podman takes at most 50 characters for the path of its run root.
    const directory = mkdtempSync(join(tmpdir(), "podman-"));
    const socket = join(directory, "podman.sock");
    const hosts = { plain: `unix://${socket}` };
    const args = [...podmanPaths(directory), "system", "service", "--time", "0", hosts.plain];
    const env = podmanEnvironment(directory);
    writeFileSync(env.CONTAINERS_CONF, '[engine]\nlock_type = "file"\n');
    try {
      const process = await ServerProcess.start({ path: podman, args, env }, socket);
      return new DockerEngine("podman", hosts, directory, process);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Whether it wants all layers of every image, also those that it has. */
  get wantsAllLayers(): boolean {
    return this.kind === "docker" && STORE === "containerd";
  }

  get socketPath(): string {
    return this.host.slice("unix://".length);
  }

  /** Runs docker's own client. @returns what it printed */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(docker, ["--host", this.host, ...args]);
    return stdout.trim();
  }

  /** Runs a command in a new container without a network, and removes it. @returns what it printed */
  async run(image: string, options: readonly string[] = [], command: readonly string[] = []): Promise<string> {
    const args = ["run", "--rm", "--network", "none", ...options, image, ...command];
    if (this.kind === "docker") return this.docker(...args);
    // Docker's client attaches to a container before it runs, which podman does not have.
    const own = [...podmanPaths(this.#directory), ...args.toSpliced(1, 0, ...WITHOUT_RIGHTS)];
    const { stdout } = await run(podman, own, { env: podmanEnvironment(this.#directory) });
    return stdout.trim();
  }

  /** The first number of its version. */
  async majorVersion(): Promise<number> {
    return Number.parseInt(await this.docker("version", "--format", "{{.Server.Version}}"), 10);
  }

  /** An image's JSON, as the daemon shows it. */
  async inspect(image: string): Promise<Inspected> {
    return JSON.parse(await this.docker("image", "inspect", image))[0];
  }

  /** Makes a run image with a shell in it, and its name. @returns its ID */
  async importRunImage(name: string): Promise<string> {
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

  /** Makes an image of a directory. @param changes instructions of a Dockerfile @returns its ID */
  async importImage(name: string, root: string, changes: readonly string[] = []): Promise<string> {
    const archive = join(this.#directory, "rootfs.tar");
    execFileSync("tar", ["--create", "--file", archive, "--directory", root, "."]);
    await this.docker("import", ...changes.flatMap((change) => ["--change", change]), archive, name);
    return (await this.inspect(name)).Id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    // The daemon leaves its hold on the host's network behind, where a container was on it.
    const hostNetwork = join(this.#directory, "exec", "netns", "default");
    if (existsSync(hostNetwork)) await run("umount", [hostNetwork]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Of its own, podman raises limits and makes a cgroup, for which it lacks the right in most containers. */
const WITHOUT_RIGHTS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

/** Podman's flags that keep all that it has below a directory. */
function podmanPaths(directory: string): string[] {
  return [
    ["--root", join(directory, "data"), "--runroot", join(directory, "run"), "--tmpdir", join(directory, "tmp")],
    ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"],
  ].flat();
}

/** Its locks would be in /dev/shm, one file for all podmans of a machine, which stays, as every image it was sent stays in TMPDIR. */
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
