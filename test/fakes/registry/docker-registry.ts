import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAM = "/usr/bin/docker-registry";
const DATA = "data";

/** Why the real registry cannot be used on this machine; undefined when it can. */
export function dockerRegistryProblem(): string | undefined {
  return existsSync(PROGRAM) ? undefined : `${PROGRAM} is not installed (Debian: apt-get install docker-registry)`;
}

/** Debian's docker-registry (distribution) on a free port of the loopback address, with storage that ends with it. */
export class DockerRegistry implements AsyncDisposable {
  readonly host: string;
  /** The directory that holds what was pushed. */
  readonly storage: string;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(host: string, directory: string, process: ChildProcess) {
    this.host = host;
    this.storage = join(directory, DATA);
    this.#directory = directory;
    this.#process = process;
  }

  static async start(): Promise<DockerRegistry> {
    const problem = dockerRegistryProblem();
    if (problem !== undefined) throw new Error(problem);
    const host = `127.0.0.1:${await freePort()}`;
    const directory = await mkdtemp(join(tmpdir(), "docker-registry-"));
    const config = join(directory, "config.json");
    // JSON is YAML, which the registry reads.
    await writeFile(
      config,
      JSON.stringify({
        version: 0.1,
        log: { level: "info" },
        storage: { filesystem: { rootdirectory: join(directory, DATA) }, delete: { enabled: true } },
        http: { addr: host },
      }),
    );
    const child = spawn(PROGRAM, ["serve", config], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: "/usr/bin:/bin", OTEL_TRACES_EXPORTER: "none" },
    });
    await listening(child, host);
    return new DockerRegistry(host, directory, child);
  }

  /** Of the registry's process. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.kill()) await once(this.#process, "exit");
    await rm(this.#directory, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits for the line that says so. The rest of the log is read and dropped, or the pipe would fill up. */
async function listening(child: ChildProcess, host: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const lines: string[] = [];
  if (child.stderr === null) throw new Error("docker-registry has no stderr");
  createInterface(child.stderr).on("line", (line) => {
    if (lines.length < 20) lines.push(line);
    if (line.includes(`listening on ${host}`)) resolve();
  });
  child.once("error", reject);
  child.once("exit", () => reject(new Error(`docker-registry did not start:\n${lines.join("\n")}`)));
  await promise;
}
