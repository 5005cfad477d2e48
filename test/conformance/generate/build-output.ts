import type { FileInput } from "../recorded-case.ts";
import { drawBuildMetadata } from "./build-metadata.ts";
import { drawBuildpacks, type GroupBuildpack, groupToml } from "./buildpacks.ts";
import { drawProjectMetadata, drawRunImages, drawSboms } from "./documents.ts";
import type { Draw } from "./draw.ts";
import { drawTree } from "./trees.ts";

/** Everything that a build leaves for the exporter, but analyzed.toml. */
export interface BuildOutput {
  readonly files: readonly FileInput[];
  readonly group: readonly GroupBuildpack[];
  /** Paths of the layers that have contents. */
  readonly layers: readonly string[];
}

const LAUNCHER: FileInput = { path: "launcher", mode: "0755", uid: 0, gid: 0, content: "#!launcher\n" };

export function drawBuildOutput(draw: Draw): BuildOutput {
  const { group, files, layers } = drawBuildpacks(draw);
  const app = drawTree(draw, "workspace", { depth: 4, budget: draw.between(0, 25), hasSpecials: true });
  const config = [
    { path: "layers/config", type: "dir" as const },
    { path: "layers/config/metadata.toml", content: drawBuildMetadata(draw, group, app) },
    ...draw.maybe(0.1, () => ({ path: "layers/config/more", content: "more" })),
  ];
  return {
    group,
    layers,
    files: [
      { path: "layers", type: "dir", ...draw.pick([{}, {}, { mode: "0777" }]) },
      LAUNCHER,
      { path: "layers/group.toml", content: groupToml(group) },
      ...draw.maybe(0.35, () => ({ path: "layers/project-metadata.toml", content: drawProjectMetadata(draw) })),
      ...draw.maybe(0.5, () => ({ path: "run.toml", content: drawRunImages(draw, false) })),
      ...draw.maybe(0.5, () => ({ path: "stack.toml", content: drawRunImages(draw, true) })),
      ...config,
      ...drawSboms(draw),
      ...files,
      ...app,
    ],
  };
}
