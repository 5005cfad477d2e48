import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { previousImageToml } from "../build/analyzed.ts";
import { type BuildOutput, writeAnalyzed } from "../build/build-output.ts";
import { verifyLayout, writeRunLayout } from "../images/layout.ts";
import { flagsFor, type RunningExporter, readEvents, startExporter } from "../process/exporter.ts";
import { exportInProcess } from "./export-in-process.ts";
import { type Exported, writeBuild } from "./scene.ts";

const ENVIRONMENT = { CNB_EXPERIMENTAL_MODE: "quiet" };

/** One build's output, and a directory for layouts, both removed after the test. */
export class LayoutScene {
  readonly output: BuildOutput;
  /** All lower case, because the reference refuses other paths in analyzed.toml. */
  readonly root: string;
  readonly runImage: string;

  private constructor(output: BuildOutput, root: string, runImage: string) {
    this.output = output;
    this.root = root;
    this.runImage = runImage;
  }

  static async open(isSparse = false): Promise<LayoutScene> {
    const root = join(tmpdir(), `tandem-layout-${randomUUID()}`);
    mkdirSync(root);
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const scene = new LayoutScene(writeBuild(), root, await writeRunLayout(join(root, "run"), isSparse));
    writeAnalyzed(scene.output, scene.runImage);
    return scene;
  }

  get layoutDir(): string {
    return join(this.root, "layouts");
  }

  pathOf(tag = "latest"): string {
    return join(this.layoutDir, "index.docker.io", "library", "app", tag);
  }

  analyze(path = this.pathOf()): void {
    const { digest, labels } = verifyLayout(path);
    writeAnalyzed(this.output, this.runImage, previousImageToml(path, { digest, labels }));
  }

  async export(...args: readonly string[]): Promise<Exported> {
    rmSync(this.#eventsPath, { force: true });
    const run = await exportInProcess(this.#arguments(args), ENVIRONMENT);
    return { ...run, events: run.exitCode === 0 ? readEvents(this.#eventsPath) : [] };
  }

  start(...args: readonly string[]): RunningExporter {
    return startExporter(this.#arguments(args), ENVIRONMENT);
  }

  #arguments(args: readonly string[]): string[] {
    const layout = ["-layout", "-layout-dir", this.layoutDir, "-launcher-sbom", join(this.output.root, "sbom")];
    return [...flagsFor(this.output), ...layout, "-events", this.#eventsPath, ...args];
  }

  get #eventsPath(): string {
    return join(this.root, "events.jsonl");
  }
}
