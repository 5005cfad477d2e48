import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onFreePort, ServerProcess } from "../network/server-process.ts";
import type { RegistryProgram, RegistrySetup } from "./registry-program.ts";

export class RealRegistry implements AsyncDisposable {
  readonly host: string;
  readonly storage: string;
  readonly #directory: string;
  readonly #process: ServerProcess;

  private constructor(setup: RegistrySetup, process: ServerProcess) {
    this.host = `127.0.0.1:${setup.port}`;
    this.storage = setup.storage;
    this.#directory = setup.directory;
    this.#process = process;
  }

  /** @throws Error if the program is not installed or does not start */
  static async start(
    program: RegistryProgram,
    options: Pick<RegistrySetup, "tls" | "auth"> = {},
  ): Promise<RealRegistry> {
    const { path, name, remedy } = program;
    if (path === undefined) throw new Error(`${name} is not installed (${remedy})`);
    const directory = await mkdtemp(join(tmpdir(), "registry-"));
    const storage = join(directory, "data");
    await mkdir(storage);
    return await onFreePort(async (port) => {
      const setup = { ...options, port, directory, storage };
      return new RealRegistry(setup, await ServerProcess.start(program.command(path, setup), port));
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true });
  }
}
