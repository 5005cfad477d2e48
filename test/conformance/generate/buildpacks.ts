import type { FileInput } from "../recorded-case.ts";
import type { Draw } from "./draw.ts";
import { drawTomlTable, drawTomlValue, drawUnspeakable, tomlString } from "./toml-values.ts";
import { drawTree } from "./trees.ts";

/** A buildpack of the group. */
export interface GroupBuildpack {
  readonly id: string;
  readonly version: string;
  readonly api: string;
  readonly homepage: string;
}

/** The buildpacks of a build and what they left in the layers directory. */
export interface Buildpacks {
  readonly group: readonly GroupBuildpack[];
  readonly files: readonly FileInput[];
  /** Paths of the layers that have contents. */
  readonly layers: readonly string[];
}

const IDS = ["samples/java", "example.com/node", "a", "UPPER.case", "é/bp", "with space", "x/y/z", "samples/java2"];
const LAYER_NAMES = ["jdk", "m2", "a", "a-b", "a.b", "b c", "é", "node_modules", "x.toml", "-", "<&>", "storey", "J"];
export const BUILDPACK_APIS = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12"];

export function drawBuildpacks(draw: Draw): Buildpacks {
  const ids = draw.some(IDS, 0.25);
  const files: FileInput[] = [];
  const layers: string[] = [];
  for (const id of ids) {
    if (draw.chance(0.05)) continue;
    const directory = `layers/${id.replaceAll("/", "_")}`;
    files.push({ path: directory, type: "dir" });
    for (const name of draw.some(LAYER_NAMES, 0.16)) {
      const contents = drawContents(draw, `${directory}/${name}`);
      if (contents[0]?.type === "dir") layers.push(`${directory}/${name}`);
      files.push(...contents, ...drawLayerFiles(draw, `${directory}/${name}`));
    }
    files.push(...drawOtherFiles(draw, directory));
  }
  return { group: ids.map((id) => drawGroupBuildpack(draw, id)), files, layers };
}

function drawGroupBuildpack(draw: Draw, id: string): GroupBuildpack {
  const version = draw.pick(["0.1.0", "1.2.3", "", "v2<", "0.0.0-é"]);
  return { id, version, api: draw.pick(BUILDPACK_APIS), homepage: draw.pick(["", "https://example.com/?a=1&b=2"]) };
}

function drawContents(draw: Draw, path: string): FileInput[] {
  return draw.weighted<() => FileInput[]>([
    [50, () => drawTree(draw, path, { depth: 3, budget: draw.between(0, 12), hasSpecials: true })],
    [1, () => []],
    [1, () => [{ path, content: "a file for a layer" }]],
    [1, () => [{ path, type: "symlink", target: draw.pick(["jdk", "nowhere", "/tmp"]) }]],
  ])();
}

function drawLayerFiles(draw: Draw, path: string): FileInput[] {
  const toml = draw.maybe(0.93, (): FileInput => ({ path: `${path}.toml`, content: drawLayerToml(draw) }));
  // A directory of that name is a layer too, and is made before this one or after it.
  const isFree = !path.endsWith("/x");
  const sha = draw.maybe(0.2, (): FileInput => ({ path: `${path}.sha`, content: "sha256:0000\n" }));
  return isFree ? [...toml, ...sha] : sha;
}

/** A `<layer>.toml`. */
export function drawLayerToml(draw: Draw): string {
  const flags = ["build", "launch", "cache"]
    .map((name) => [name, draw.weighted([[4, "true"] as const, [2, "false"] as const, [2, ""] as const])] as const)
    .filter(([, value]) => value !== "");
  const types = draw.pick([
    `[types]\n${flags.map(([name, value]) => `  ${name} = ${value}\n`).join("")}`,
    `[ "types" ]\n${flags.map(([name, value]) => `'${name}'=${value}\r\n`).join("")}`,
  ]);
  const inline = flags.map(([name, value]) => `types.${name} = ${value}\n`).join("");
  const metadata = draw.weighted<() => string>([
    [3, () => ""],
    [8, () => drawTomlTable(draw, "metadata")],
    [1, () => "[metadata]\n"],
  ])();
  const top = draw.weighted<() => string>([
    [8, () => ""],
    [1, () => "unknown = 1\n"],
  ])();
  const value = () => `metadata = ${draw.chance(0.1) ? drawUnspeakable(draw) : drawTomlValue(draw)}\n`;
  return draw.weighted<() => string>([
    [8, () => `${top}${draw.chance(0.5) ? types + metadata : metadata + types}`],
    [2, () => `${top}${inline}${metadata}`],
    [1, () => `${top}${value()}${types}`],
  ])();
}

function drawOtherFiles(draw: Draw, directory: string): FileInput[] {
  return [
    ...draw.maybe(0.25, () => ({ path: `${directory}/store.toml`, content: drawStore(draw) })),
    ...draw.maybe(0.1, () => ({ path: `${directory}/launch.toml`, content: "[[processes]]\ntype = 'never read'\n" })),
    ...draw.maybe(0.2, () => ({ path: `${directory}/build.toml`, content: drawBom(draw) })),
    ...draw.maybe(0.1, () => ({ path: `${directory}/stray.txt`, content: "" })),
    ...draw.maybe(0.01, () => ({ path: `${directory}/lonely.toml`, content: drawLayerToml(draw) })),
  ];
}

function drawStore(draw: Draw): string {
  return draw.weighted<() => string>([
    [6, () => drawTomlTable(draw, "metadata")],
    [1, () => "other = 1\n"],
    [1, () => `metadata = ${drawTomlValue(draw, 1)}\n`],
  ])();
}

/** The legacy bill of materials, in build.toml and, for the launch part, in metadata.toml. */
export function drawBom(draw: Draw): string {
  return draw
    .times(draw.between(0, 2), () => {
      const version = draw.maybe(0.5, () => `version = ${tomlString(draw.pick(["1", "<2>"]))}\n`);
      const metadata = draw.maybe(0.7, () => drawTomlTable(draw, "bom.metadata", 1));
      return `[[bom]]\nname = ${tomlString(draw.pick(["n", "other"]))}\n${version.join("")}${metadata.join("")}`;
    })
    .join("");
}

/** group.toml. */
export function groupToml(group: readonly GroupBuildpack[]): string {
  return group.map((buildpack) => `[[group]]\n${groupKeys(buildpack)}`).join("");
}

/** Keys of a group's element, in any file that has groups. */
export function groupKeys({ id, version, api, homepage }: GroupBuildpack): string {
  const keys = { id, version, api, homepage };
  return Object.entries(keys)
    .filter(([, text]) => text !== "")
    .map(([key, text]) => `${key} = ${tomlString(text)}\n`)
    .join("");
}
