import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findProgram } from "../process/find-program.ts";

const run = promisify(execFile);

const MAX_OUTPUT_BYTES = 16 << 20;

class Tool {
  readonly name: string;
  readonly path: string | undefined;
  readonly #remedy: string;

  /** @param variable environment variable that may contain its path */
  constructor(name: string, variable: string, remedy: string) {
    this.name = name;
    this.path = findProgram(name, variable);
    this.#remedy = remedy;
    if (this.path === undefined) console.warn(`Tests with ${name} are skipped: it is not installed (${this.#remedy})`);
  }

  get isMissing(): boolean {
    return this.path === undefined;
  }

  /** @returns its stdout. @throws Error with its stderr if it fails */
  async run(...args: readonly string[]): Promise<string> {
    if (this.path === undefined) throw new Error(`${this.name} is not installed (${this.#remedy})`);
    return (await run(this.path, args, { maxBuffer: MAX_OUTPUT_BYTES })).stdout.trim();
  }
}

export const skopeo = () => new Tool("skopeo", "SKOPEO", "Debian: apt-get install skopeo");
export const umoci = () => new Tool("umoci", "UMOCI", "Debian: apt-get install umoci");
export const crane = () =>
  new Tool("crane", "CRANE", "go install github.com/google/go-containerregistry/cmd/crane, and its path in CRANE");
