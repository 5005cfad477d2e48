import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A layer of a generated build: directories to copy its contents from, and its `[types]`. */
export interface LayerContents {
  readonly from: readonly string[];
  readonly launch: boolean;
  readonly cache: boolean;
}

export interface BuildOutput {
  readonly root: string;
  readonly layersDir: string;
  readonly appDir: string;
  readonly launcher: string;
}

const BUILDPACK = { id: "samples/java", version: "0.1.0", api: "0.10" };

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/**
 * Writes the output of a finished build under `root`: one buildpack with the given layers, an app, metadata.toml with a
 * process `web`, group.toml, a launcher with its SBOM, and run.toml. {@link writeAnalyzed} writes analyzed.toml for
 * each export.
 * @param app directories that become the app
 */
export function writeBuildOutput(
  root: string,
  layers: Readonly<Record<string, LayerContents>>,
  app: readonly string[],
): BuildOutput {
  const layersDir = join(root, "layers");
  const appDir = join(root, "workspace");
  const directory = buildpackDirectory({ layersDir });
  for (const [name, { from, launch, cache }] of Object.entries(layers)) {
    for (const source of from) copyInto(source, join(directory, name));
    write(join(directory, `${name}.toml`), `[types]\nlaunch = ${launch}\ncache = ${cache}\nbuild = ${cache}\n`);
  }
  for (const source of app) copyInto(source, appDir);
  const { id, version, api } = BUILDPACK;
  write(join(layersDir, "group.toml"), `[[group]]\nid = "${id}"\nversion = "${version}"\napi = "${api}"\n`);
  write(
    join(layersDir, "config", "metadata.toml"),
    `buildpack-default-process-type = "web"
[[buildpacks]]
id = "${id}"
version = "${version}"
api = "${api}"
[[processes]]
type = "web"
command = ["java"]
args = ["-jar", "app.jar"]
direct = true
buildpack-id = "${id}"
`,
  );
  const launcher = join(root, "launcher");
  write(launcher, '#!/bin/sh\nexec "$@"\n');
  write(join(root, "sbom", "launcher.sbom.cdx.json"), "{}\n");
  write(join(root, "run.toml"), '[[images]]\nimage = "samples/run"\n');
  return { root, layersDir, appDir, launcher };
}

export function buildpackDirectory({ layersDir }: Pick<BuildOutput, "layersDir">): string {
  return join(layersDir, BUILDPACK.id.replaceAll("/", "_"));
}

function copyInto(source: string, target: string): void {
  mkdirSync(target, { recursive: true });
  cpSync(source, join(target, source.split("/").at(-1) ?? "source"), {
    recursive: true,
    dereference: false,
    verbatimSymlinks: true,
  });
}

/** @param runImage a digest reference */
export function writeAnalyzed(output: BuildOutput, runImage: string, previous = ""): void {
  write(join(output.layersDir, "analyzed.toml"), `${previous}[run-image]\nreference = "${runImage}"\n`);
}
