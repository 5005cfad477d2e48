import type { FileInput } from "../recorded-case.ts";
import type { Draw } from "./draw.ts";
import { drawTomlTable, drawTomlValue, tomlString, tomlStrings } from "./toml-values.ts";

/** Names that may be the run image's, some of them the same one by another spelling. */
const RUN_IMAGES = [
  "{registry}/run",
  "{registry}/run:latest",
  "busybox",
  "docker.io/library/busybox:latest",
  "example.com/run:1",
  "Not A Name",
];

/** project-metadata.toml. */
export function drawProjectMetadata(draw: Draw): string {
  return draw.weighted<() => string>([
    [
      5,
      () => {
        const type = draw.maybe(0.7, () => `type = ${tomlString(draw.pick(["git", "<&>", ""]))}\n`);
        const version = draw.maybe(0.6, () => drawTomlTable(draw, "source.version", 1));
        const metadata = draw.maybe(0.6, () => drawTomlTable(draw, "source.metadata", 1));
        return `[source]\n${type.join("")}${version.join("")}${metadata.join("")}`;
      },
    ],
    [1, () => ""],
    [1, () => "[other]\n"],
    [1, () => `[source]\nversion = ${drawTomlValue(draw, 1)}\n`],
  ])();
}

/** run.toml, or stack.toml of the old. */
export function drawRunImages(draw: Draw, isStack: boolean): string {
  const keys = () => {
    const mirrors = draw.maybe(0.5, () => `mirrors = ${tomlStrings(draw.some(RUN_IMAGES, 0.4))}\n`);
    return `image = ${tomlString(draw.pick(RUN_IMAGES))}\n${mirrors.join("")}`;
  };
  if (isStack) return `[run-image]\n${keys()}[build-image]\nimage = "b"\n`;
  return draw.times(draw.between(0, 3), () => `[[images]]\n${keys()}`).join("");
}

/** analyzed.toml of a first build. */
export function drawAnalyzed(draw: Draw): string {
  const names = draw.maybe(0.6, () => `image = ${tomlString(draw.pick(RUN_IMAGES))}\n`);
  const target = draw.maybe(0.3, () => '[run-image.target]\nos = "linux"\narch = "amd64"\n');
  const build = draw.maybe(0.2, () => '[build-image]\nreference = "{registry}/build"\n');
  return `[run-image]\nreference = "{runImage}"\n${names.join("")}${target.join("")}${build.join("")}`;
}

/** analyzed.toml of a build after another. */
export function drawAnalyzedAgain(draw: Draw): string {
  return draw.weighted<() => string>([
    [10, () => `{previous.image}${drawAnalyzed(draw)}{previous.metadata}`],
    [1, () => `{previous.image}${drawAnalyzed(draw)}`],
    [1, () => `${drawAnalyzed(draw)}{previous.metadata}`],
  ])();
}

const SBOM_NAMES = ["sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json"];

/** SBOMs that buildpacks write for the image and the cache. */
export function drawSboms(draw: Draw): FileInput[] {
  const kinds = draw.some(["launch", "cache", "build"], 0.3);
  if (kinds.length === 0) return [];
  const files: FileInput[] = [{ path: "layers/sbom", type: "dir" }];
  for (const kind of kinds) {
    files.push({ path: `layers/sbom/${kind}`, type: "dir" }, { path: `layers/sbom/${kind}/samples_java`, type: "dir" });
    for (const name of draw.some(SBOM_NAMES, 0.5))
      files.push({ path: `layers/sbom/${kind}/samples_java/${name}`, content: `{"of":"${kind}"}` });
  }
  return files;
}

/** The launcher's own, in a directory for `-launcher-sbom`. */
export function drawLauncherSboms(draw: Draw): FileInput[] {
  const names = [...SBOM_NAMES.map((name) => `launcher.${name}`), "other.txt", "my.sbom.cdx.json"];
  const files = draw.some(names, 0.5).map((name): FileInput => ({ path: `launcher-sbom/${name}`, content: name }));
  return [
    { path: "launcher-sbom", type: "dir" },
    ...files,
    ...draw.maybe(0.2, (): FileInput => ({ path: "launcher-sbom/x.sbom.syft.json", type: "dir" })),
    ...draw.maybe(
      0.2,
      (): FileInput => ({ path: "launcher-sbom/l.sbom.spdx.json", type: "symlink", target: "/etc/hostname" }),
    ),
  ];
}
