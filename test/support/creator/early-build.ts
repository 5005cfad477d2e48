import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { RunningExporter } from "../exporter.ts";
import { WAIT } from "../time-limits.ts";
import { type CreateRequest, FakeBuild } from "./fake-build.ts";

/**
 * Two buildpacks, run as the builder of a lifecycle runs them: as its children, each with its layers directory as an
 * argument. The scripts know `$layers`, that directory; the second one begins by waiting for {@link goOn}.
 */
export class EarlyBuild {
  readonly build: FakeBuild;

  private constructor(build: FakeBuild) {
    this.build = build;
  }

  static async open(): Promise<EarlyBuild> {
    return new EarlyBuild(await FakeBuild.open());
  }

  /** @param second what happens in the build after the first buildpack's layers could be exported */
  buildpacks({ first, second = "" }: { readonly first: string; readonly second?: string }): void {
    const { output } = this.build;
    const ids = ["early/first", "early/second"];
    const group = ids.map((id) => `[[group]]\nid = "${id}"\nversion = "1"\napi = "0.10"\n`).join("");
    writeFileSync(join(output.layersDir, "group.toml"), group);
    this.build.write("bp-early_first", `layers=$1\n${first}\n`);
    const wait = 'echo waits > "$FAKE_DIR/waits"; while [ ! -f "$FAKE_DIR/go" ]; do sleep 0.02; done';
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

  start(request: CreateRequest = {}): RunningExporter {
    return this.build.start(request);
  }

  goOn(): void {
    this.build.write("go", "");
  }

  get isSecondRunning(): boolean {
    return this.build.record("waits") !== "";
  }

  /** Uploads that the registry has committed. */
  get uploads(): number {
    return this.build.registry.count("PUT", /\/app\/blobs\/uploads\//);
  }

  async untilUploaded(count: number): Promise<void> {
    await vi.waitFor(() => {
      if (this.uploads < count) throw new Error(`${this.uploads} of ${count} uploads`);
    }, WAIT);
  }
}

/** Lines of a script that write a layer of the running buildpack. */
export function layerScript(name: string, contents: string, types = "launch = true"): string {
  return `mkdir -p $layers/${name}
(cd $layers/${name}; ${contents})
printf '[types]\\n${types.replaceAll("\n", "\\n")}\\n' > $layers/${name}.toml`;
}
