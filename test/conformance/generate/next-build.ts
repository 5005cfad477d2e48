import type { FileInput } from "../recorded-case.ts";
import { drawBuildMetadata } from "./build-metadata.ts";
import type { BuildOutput } from "./build-output.ts";
import { BUILDPACK_APIS, drawLayerToml, groupToml } from "./buildpacks.ts";
import type { Draw } from "./draw.ts";

/**
 * The files of a build after another: some are changed, some are gone, some are new, or nothing is different at all.
 */
export function drawNextBuild(draw: Draw, { files, group, layers }: BuildOutput): FileInput[] {
  if (draw.chance(0.15)) return [...files];
  const gone = draw.some(layers, 0.2);
  const left = files.filter((file) => !gone.some((layer) => isAtOrBelow(file, layer)));
  const withTarget = left.filter(
    ({ type, target = "" }) => type !== "hardlink" || !gone.some((layer) => isAt(target, layer)),
  );
  const version = draw.chance(0.2) ? "9.9.9" : undefined;
  const kept = group
    .filter(() => draw.chance(0.95))
    .map((buildpack) => (version === undefined ? buildpack : { ...buildpack, version }))
    .map((buildpack) => (draw.chance(0.1) ? { ...buildpack, api: draw.pick(BUILDPACK_APIS) } : buildpack));
  const nextGroup = draw.chance(0.15) ? kept.toReversed() : kept;
  const app = files.filter(({ path = "" }) => path.startsWith("workspace"));
  const renamed = draw.some(
    layers.filter((layer) => !gone.includes(layer)),
    0.1,
  );
  const named = withTarget.map((file) => renamed.reduce(renameLayer, file));
  return named.map((file) => {
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

/** A layer has another name, and so have its `.toml` and `.sha`. */
function renameLayer(file: FileInput, layer: string): FileInput {
  const isNamed = isAtOrBelow(file, layer) || file.path === `${layer}.toml` || file.path === `${layer}.sha`;
  if (!isNamed) return file;
  const { path, pathBase64, target, targetBase64 } = file;
  const rename = (bytes: Buffer) =>
    Buffer.concat([Buffer.from(`${layer}-2`), bytes.subarray(Buffer.byteLength(layer))]);
  const text = (value: string | undefined) => value && rename(Buffer.from(value)).toString();
  const base64 = (value: string | undefined) => value && rename(Buffer.from(value, "base64")).toString("base64");
  const links = file.type === "hardlink" ? { target: text(target), targetBase64: base64(targetBase64) } : {};
  return { ...file, path: text(path), pathBase64: base64(pathBase64), ...links };
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
