import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { mayMount } from "../files/mounts.ts";
import { ServerProcess } from "../network/server-process.ts";
import { findProgram } from "../process/find-program.ts";

const run = promisify(execFile);

const PROGRAMS = ["containerd", "ctr"];

/** Needs no special file system. */
const SNAPSHOTTER = "native";

/** @returns why this machine cannot run containerd; undefined if it is worth trying */
export function containerdProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "containerd needs root";
  if (!mayMount()) return "containerd may not mount here, and so not unpack an image";
  const missing = PROGRAMS.filter((name) => findProgram(name) === undefined);
  return missing.length === 0 ? undefined : `${missing.join(", ")} not installed (Debian: apt-get install containerd)`;
}

export class Containerd implements AsyncDisposable {
  readonly #directory: string;
  readonly #process: ServerProcess;

  private constructor(directory: string, process: ServerProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  /** @throws Error with the end of its log if it does not start */
  static async start(): Promise<Containerd> {
    const directory = mkdtempSync(join(tmpdir(), "containerd-"));
    const config = join(directory, "config.toml");
    writeFileSync(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    const socket = socketOf(directory);
    const paths = ["--root", join(directory, "root"), "--state", join(directory, "state"), "--address", socket];
    // On SIGUSR1 it writes its stacks to TMPDIR.
    const env = { ...process.env, TMPDIR: directory };
    const command = { path: findProgram("containerd") ?? "containerd", args: ["--config", config, ...paths], env };
    try {
      return new Containerd(directory, await ServerProcess.start(command, socket));
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async pull(image: string): Promise<void> {
    await this.#ctr("images", "pull", "--plain-http", "--snapshotter", SNAPSHOTTER, image);
  }

  /** @returns reference, media type, digest, and whether the image is complete and unpacked */
  async check(image: string): Promise<string> {
    return await this.#ctr("images", "check", "--snapshotter", SNAPSHOTTER, `name==${image}`);
  }

  async withMounted(image: string, look: (rootfs: string) => void): Promise<void> {
    const target = join(this.#directory, "mounted");
    mkdirSync(target, { recursive: true });
    await this.#ctr("images", "mount", "--snapshotter", SNAPSHOTTER, image, target);
    try {
      look(target);
    } finally {
      await this.#ctr("images", "unmount", "--snapshotter", SNAPSHOTTER, "--rm", target);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #ctr(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("ctr", ["--address", socketOf(this.#directory), ...args]);
    return stdout.trim();
  }
}

function socketOf(directory: string): string {
  return join(directory, "containerd.sock");
}
