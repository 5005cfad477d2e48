import type { FileInput } from "../recorded-case.ts";
import { drawBuildMetadata } from "./build-metadata.ts";
import type { BuildOutput } from "./build-output.ts";
import { drawLayerToml, groupToml } from "./buildpacks.ts";
import type { Draw } from "./draw.ts";

/** The files of a build after another: some are changed, some are gone, some are new, or nothing is different at all. */
export function drawNextBuild(draw: Draw, { files, group, layers }: BuildOutput): FileInput[] {
  if (draw.chance(0.15)) return [...files];
  const gone = draw.some(layers, 0.2);
  const kept = files.filter((file) => !gone.some((layer) => isAtOrBelow(file, layer)));
  const withTarget = kept.filter(
    ({ type, target = "" }) => type !== "hardlink" || !gone.some((layer) => isAt(target, layer)),
  );
  const version = draw.chance(0.2) ? "9.9.9" : undefined;
  const nextGroup = group
    .filter(() => draw.chance(0.95))
    .map((buildpack) => (version === undefined ? buildpack : { ...buildpack, version }));
  const app = files.filter(({ path = "" }) => path.startsWith("workspace"));
  return withTarget.map((file) => {
    const { path = "" } = file;
    if (path === "layers/group.toml") return { ...file, content: groupToml(nextGroup) };
    if (path === "layers/config/metadata.toml" && draw.chance(0.4))
      return { ...file, content: drawBuildMetadata(draw, nextGroup, app) };
    if (/^layers\/[^/]+\/[^/]+\.toml$/.test(path))
      return draw.chance(0.2) ? { ...file, content: drawLayerToml(draw) } : file;
    return draw.chance(0.04) ? change(draw, file) : file;
  });
}

function change(draw: Draw, file: FileInput): FileInput {
  if (file.type !== undefined && file.type !== "file") return file;
  if (file.path?.endsWith(".toml")) return file;
  return draw.chance(0.3) ? { ...file, mode: "0711" } : { ...file, content: "changed" };
}

function isAtOrBelow({ path, pathBase64 }: FileInput, directory: string): boolean {
  const bytes =
    path === undefined
      ? Buffer.from(pathBase64 ?? "", "base64").toString("latin1")
      : Buffer.from(path).toString("latin1");
  return isAt(bytes, Buffer.from(directory).toString("latin1"));
}

function isAt(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
