import { closeSync, constants, existsSync, openSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, vi } from "vitest";
import type { ExporterRun, RunningExporter } from "../process/exporter.ts";
import type { AuthOptions } from "../registry/auth.ts";
import { WAIT } from "../runner/time-limits.ts";
import { type CreateRequest, FakeBuild } from "./fake-build.ts";

const WORKERS = 3;

/**
 * Two buildpacks, run as the builder of a lifecycle runs them: as its children, each with its layers directory as an
 * argument. The scripts know `$layers`, that directory; the second one begins by waiting for {@link goOn}.
 */
export class EarlyBuild {
  readonly build: FakeBuild;
  #gate: number | undefined;

  private constructor(build: FakeBuild) {
    this.build = build;
  }

  static async open(auth?: AuthOptions): Promise<EarlyBuild> {
    const early = new EarlyBuild(await FakeBuild.open(auth));
    onTestFinished(() => {
      // The builder of a creator that was killed may still wait.
      early.goOn();
      if (early.#gate !== undefined) closeSync(early.#gate);
    });
    return early;
  }

  /** @param second what happens in the build after the first buildpack's layers could be exported */
  buildpacks({ first, second = "" }: { readonly first: string; readonly second?: string }): void {
    const { output } = this.build;
    const ids = ["early/first", "early/second"];
    const group = ids.map((id) => `[[group]]\nid = "${id}"\nversion = "1"\napi = "0.10"\n`).join("");
    writeFileSync(join(output.layersDir, "group.toml"), group);
    this.build.write("bp-early_first", `layers=$1\n${first}\n`);
    const wait = `gate=$FAKE_DIR/gate
[ -p $gate ] || mkfifo $gate
echo $$ > $FAKE_DIR/waits
[ -f $FAKE_DIR/go ] || read -r go < $gate`;
    this.build.write(
      "bp-early_second",
      `layers=$1\nfirst=${join(output.layersDir, "early_first")}\n${wait}\n${second}\n`,
    );
    const run = `for id in early_first early_second; do
  mkdir -p ${output.layersDir}/$id
  sh "$FAKE_DIR/bp-$id" ${output.layersDir}/$id /platform plan || exit 51
done\n`;
    this.build.script("builder", run);
  }

  start({ flags = [], ...request }: CreateRequest = {}): RunningExporter {
    return this.build.start({ ...request, flags: ["-no-color", "-workers", String(WORKERS), ...flags] });
  }

  /** Lets the second buildpack go on, and the creator end. */
  async finish(running: RunningExporter): Promise<ExporterRun> {
    this.goOn();
    return await running.ended;
  }

  /** Exports what the build left once more, into another image and with nothing done early. */
  async exportWithoutEarly(): Promise<ExporterRun & { readonly image: string }> {
    this.build.script("builder", ":");
    const image = `${this.build.registry.host}/other:latest`;
    const run = await this.start({ flags: ["-early", "none"], images: [image] }).ended;
    return { ...run, image };
  }

  goOn(): void {
    this.build.write("go", "");
    const gate = this.build.path("gate");
    if (this.#gate !== undefined || !existsSync(gate)) return;
    // Open for reading too, it needs no other reader, and the line stays until there is one.
    this.#gate = openSync(gate, constants.O_RDWR);
    writeSync(this.#gate, "\n");
  }

  /** Process ID of the second buildpack, once it waits. */
  get second(): number | undefined {
    const pid = this.build.record("waits");
    return pid === "" ? undefined : Number(pid);
  }

  get isSecondRunning(): boolean {
    return this.second !== undefined;
  }

  /** Digests of the blobs whose upload the registry has committed, in that order. */
  get uploaded(): readonly string[] {
    const { requests } = this.build.registry;
    const commits = requests.filter(({ method, target }) => method === "PUT" && /\/app\/blobs\/uploads\//.test(target));
    return commits.map(({ target }) => new URL(target, "http://registry").searchParams.get("digest") ?? "");
  }

  /** Waits until all layers that can be built early are built: then the export's connections are opened. */
  async untilMade(): Promise<void> {
    await vi.waitFor(() => expect(this.build.registry.count("HEAD", /\/run\/manifests\//)).toBe(1), WAIT);
  }

  /** Waits for the first read of the first buildpack's file or directory since its last change. Needs access times. */
  async untilRead(path: string): Promise<void> {
    const absolute = join(this.build.output.layersDir, "early_first", path);
    await vi.waitFor(() => {
      const { atimeNs, mtimeNs } = statSync(absolute, { bigint: true });
      expect(atimeNs).toBeGreaterThan(mtimeNs);
    }, WAIT);
  }

  async untilUploaded(count: number): Promise<void> {
    await vi.waitFor(() => {
      const { length } = this.uploaded;
      if (length < count) throw new Error(`${length} of ${count} uploads`);
    }, WAIT);
  }
}

/** Lines of a script that write a layer of the running buildpack. */
export function layerScript(name: string, contents: string, types = "launch = true"): string {
  return `mkdir -p $layers/${name}
(cd $layers/${name}; ${contents})
printf '[types]\\n${types.replaceAll("\n", "\\n")}\\n' > $layers/${name}.toml`;
}
