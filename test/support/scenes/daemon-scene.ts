import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { lifecycleToml } from "../build/analyzed.ts";
import { type BuildOutput, writeAnalyzed, writeBuildOutput } from "../build/build-output.ts";
import type { DockerEngine } from "../daemon/docker-engine.ts";
import { tempTree } from "../files/temp-tree.ts";
import { flagsFor, readEvents } from "../process/exporter.ts";
import { seededBytes } from "../random.ts";
import { exportInProcess } from "./export-in-process.ts";

/** Prints how the image was started, if the run image's shell, the launcher and its symlink are all present. */
const LAUNCHER = '#!/bin/sh\necho "$0 in $PWD, PATH $PATH"\n';

/**
 * The place of each test's build. A layer holds its paths, so that tests with the same build make the same layers, and
 * a daemon reads and unpacks them for the first test only, which takes as long as all else in a test
 * ({@link DaemonScene.renew}).
 */
const ROOT = join(tmpdir(), `daemon-build-${process.pid}`);

/** A small build whose process can start in a run image with a shell. Each test has at most one. */
export function buildOutput(): BuildOutput {
  const from = tempTree({
    "jdk/lib/modules": seededBytes(200_000, 1),
    "libraries/a.js": "module.exports = 1;\n".repeat(9000),
    "app/index.html": "<p>hello</p>\n",
  });
  const layers = {
    jdk: { from: [join(from, "jdk")], launch: true, cache: true },
    libraries: { from: [join(from, "libraries")], launch: true, cache: false },
  };
  mkdirSync(ROOT);
  onTestFinished(() => rmSync(ROOT, { recursive: true }));
  const output = writeBuildOutput(ROOT, layers, []);
  mkdirSync(output.appDir, { recursive: true });
  writeFileSync(join(output.appDir, "index.html"), "<p>hello</p>\n");
  writeFileSync(output.launcher, LAUNCHER);
  chmodSync(output.launcher, 0o755);
  return output;
}

export class DaemonScene {
  readonly engine: DockerEngine;
  readonly output: BuildOutput;
  readonly runImage: string;

  private constructor(engine: DockerEngine, output: BuildOutput, runImage: string) {
    this.engine = engine;
    this.output = output;
    this.runImage = runImage;
  }

  static async open(engine: DockerEngine): Promise<DaemonScene> {
    const output = buildOutput();
    const runImage = await engine.importRunImage("run:base");
    writeAnalyzed(output, runImage.slice("sha256:".length));
    return new DaemonScene(engine, output, runImage);
  }

  /** Writes analyzed.toml for a rebuild on an image of the daemon and a run image. */
  async analyze(name: string, runImage = this.runImage): Promise<void> {
    const { Id, Config } = await this.engine.inspect(name);
    const previous = lifecycleToml(Id.slice("sha256:".length), Config.Labels);
    writeAnalyzed(this.output, runImage.slice("sha256:".length), previous);
  }

  /**
   * Gives layers and app contents that no other test has: the daemon does not read a layer that it knows, though it is
   * sent.
   */
  renew(): void {
    const { layersDir, appDir } = this.output;
    const layers = ["jdk", "libraries"].map((name) => join(layersDir, "samples_java", name));
    for (const directory of [...layers, appDir]) writeFileSync(join(directory, "own"), randomUUID());
  }

  /** Layers are sorted by name, so the new one comes between the run image and a layer whose contents are gone. */
  replaceLibraries(): void {
    const directory = join(this.output.layersDir, "samples_java");
    rmSync(join(directory, "libraries"), { recursive: true });
    mkdirSync(join(directory, "agent"));
    writeFileSync(join(directory, "agent", "a"), "a\n");
    writeFileSync(join(directory, "agent.toml"), "[types]\nlaunch = true\n");
  }

  get workOnKnown() {
    const uploads = this.engine.wantsAllLayers ? 1 : 0;
    return { reads: 1 + uploads, hashes: 1, compressions: 0, uploads };
  }

  launchCache(): string {
    const path = join(this.output.root, "launch-cache");
    mkdirSync(path, { recursive: true });
    return path;
  }

  cachedLayers(): string[] {
    const names = readdirSync(join(this.launchCache(), "committed"));
    return names.map((name) => name.replace(/\.tar$/, "")).sort();
  }

  async export(images: readonly string[], flags: readonly string[] = []) {
    const events = join(this.output.layersDir, "events.jsonl");
    writeFileSync(events, "");
    chmodSync(events, 0o666);
    const ownFlags = ["-daemon", "-log-level", "debug", "-report", join(this.output.root, "report.toml")];
    const args = [...flagsFor(this.output), ...ownFlags, "-events", events, ...flags, ...images];
    const run = await exportInProcess(args, { DOCKER_HOST: this.engine.host });
    return { ...run, events: readEvents(events) };
  }

  report(): string {
    return readFileSync(join(this.output.root, "report.toml"), "utf8");
  }
}
