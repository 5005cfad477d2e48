import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

const PROGRAMS = ["dockerd", "docker", "busybox"];

/** Why no docker daemon can run on this machine; undefined when one can be tried. */
export function dockerEngineProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "a docker daemon needs root";
  const missing = PROGRAMS.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return undefined;
  return `${missing.join(", ")} not installed (Debian: apt-get install docker.io busybox-static)`;
}

function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** A docker daemon of our own: without a network, with storage and socket in a directory that ends with it. */
export class DockerEngine implements AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly host: string;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(host: string, directory: string, process: ChildProcess) {
    this.host = host;
    this.#directory = directory;
    this.#process = process;
  }

  /** @throws Error with the end of the daemon's log when it does not come up, as in a container without its rights */
  static async start(): Promise<DockerEngine> {
    const directory = mkdtempSync(join(tmpdir(), "docker-engine-"));
    const host = `unix://${join(directory, "docker.sock")}`;
    const args = [
      ["--host", host],
      ["--data-root", join(directory, "data")],
      ["--exec-root", join(directory, "exec")],
      ["--pidfile", join(directory, "pid")],
      ["--storage-driver", "vfs", "--bridge", "none", "--iptables=false"],
    ].flat();
    const child = spawn(findProgram("dockerd") ?? "dockerd", args, { stdio: ["ignore", "ignore", "pipe"] });
    try {
      await listening(child);
      return new DockerEngine(host, directory, child);
    } catch (error) {
      child.kill();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get socketPath(): string {
    return this.host.slice("unix://".length);
  }

  /** Runs docker's own client. @returns what it printed */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("docker", ["--host", this.host, ...args]);
    return stdout.trim();
  }

  /** An image's JSON, as the daemon shows it. */
  async inspect(image: string): Promise<Inspected> {
    return JSON.parse(await this.docker("image", "inspect", image))[0];
  }

  /** Makes a run image with a shell in it. @returns its ID */
  async importRunImage(name: string): Promise<string> {
    const root = join(this.#directory, "rootfs");
    if (!existsSync(root)) {
      mkdirSync(join(root, "bin"), { recursive: true });
      copyFileSync(findProgram("busybox") ?? "", join(root, "bin", "busybox"));
      chmodSync(join(root, "bin", "busybox"), 0o755);
      symlinkSync("busybox", join(root, "bin", "sh"));
    }
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
    if (this.#process.exitCode === null && this.#process.kill()) await once(this.#process, "exit");
    // The daemon leaves its hold on the host's network behind, where a container was on it.
    const hostNetwork = join(this.#directory, "exec", "netns", "default");
    if (existsSync(hostNetwork)) await run("umount", [hostNetwork]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
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

/** Waits for the line that says so. The rest of the log is read and dropped, or the pipe would fill up. */
async function listening(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const lines: string[] = [];
  if (child.stderr === null) throw new Error("dockerd has no stderr");
  createInterface(child.stderr).on("line", (line) => {
    lines.push(line);
    if (lines.length > 5) lines.shift();
    if (line.includes("API listen on")) resolve();
  });
  child.once("error", reject);
  child.once("exit", () => reject(new Error(`dockerd ended:\n${lines.join("\n")}`)));
  await promise;
}
