import type { FileInput } from "../recorded-case.ts";
import { drawBom, type GroupBuildpack, groupKeys } from "./buildpacks.ts";
import type { Draw } from "./draw.ts";
import { tomlString, tomlStrings } from "./toml-values.ts";

const PROCESS_TYPES = ["web", "worker", "task-1", "web.db", "Ünï", "a b", "UP"];

const WORDS = ["java", "-jar", "app.jar", "", "a b", "$PORT", '"q"', "é", "<&>", "--x=y", "new\nline"];

const LABELS = [
  "com.example.a",
  "a",
  "",
  "é",
  "<&>",
  "io.buildpacks.project.metadata",
  "io.buildpacks.build.metadata",
  "maintainer",
];

/** metadata.toml: what the builder has left for the exporter. */
export function drawBuildMetadata(draw: Draw, group: readonly GroupBuildpack[], app: readonly FileInput[]): string {
  const types = drawTypes(draw);
  const defaultType = draw.maybe(0.6, () => draw.pick(types.length > 0 ? [...types, "nosuch"] : ["web"]));
  return [
    ...defaultType.map((type) => `buildpack-default-process-type = ${tomlString(type)}\n`),
    ...draw.maybe(0.05, () => "processes = []\n").filter(() => types.length === 0),
    ...draw.maybe(0.1, () => drawBom(draw)),
    ...group
      .filter(() => draw.chance(0.95))
      .map((buildpack) => `[[buildpacks]]\n${groupKeys(buildpack)}${draw.chance(0.1) ? "optional = true\n" : ""}`),
    ...draw.maybe(0.1, () => '[[extensions]]\nid = "ext"\nversion = "1"\nextension = true\napi = "0.10"\n'),
    ...draw
      .some(LABELS, 0.1)
      .map((key) => `[[labels]]\nkey = ${tomlString(key)}\nvalue = ${tomlString(draw.pick(WORDS))}\n`),
    ...types.map((type) => drawProcess(draw, type)),
    ...draw.times(draw.weighted([[5, 0] as const, [3, 1] as const, [2, 3] as const]), () => drawSlice(draw, app)),
  ].join("");
}

/** The types of the processes that a build has. */
export function processTypes(files: readonly FileInput[]): string[] {
  const metadata = files.find(({ path }) => path === "layers/config/metadata.toml")?.content ?? "";
  return [...metadata.matchAll(/^type = "(.+)"$/gm)].map(([, type = ""]) => type);
}

function drawTypes(draw: Draw): string[] {
  const types = draw.some(PROCESS_TYPES, 0.25);
  return draw.chance(0.05) && types[0] !== undefined ? [...types, types[0]] : types;
}

function drawProcess(draw: Draw, type: string): string {
  const words = () => draw.times(draw.between(0, 3), () => draw.pick(WORDS));
  const command = draw.weighted<() => string>([
    [6, () => `command = ${tomlStrings([draw.pick(WORDS), ...words()])}\n`],
    [3, () => `command = ${tomlString(draw.pick(WORDS))}\n`],
    [draw.chance(0.1) ? 9 : 0, () => draw.pick(["", "command = []\n"])],
  ])();
  return [
    "[[processes]]\n",
    `type = ${tomlString(type)}\n`,
    command,
    ...draw.maybe(0.7, () => `args = ${tomlStrings(words())}\n`),
    ...draw.maybe(0.5, () => `direct = ${draw.pick(["true", "false"])}\n`),
    ...draw.maybe(0.2, () => `default = ${draw.pick(["true", "false"])}\n`),
    ...draw.maybe(0.5, () => `buildpack-id = ${tomlString(draw.pick(["samples/java", "é", ""]))}\n`),
    ...draw.maybe(0.2, () => `working-dir = ${tomlString(draw.pick(["/w", "rel", ""]))}\n`),
    ...draw.maybe(0.2, () => `exec-env = ${tomlStrings(draw.some(["production", "test", "é"], 0.5))}\n`),
  ].join("");
}

const PATTERNS = [
  "*",
  "*/*",
  "*.txt",
  "a*",
  "?",
  "[a-m]*",
  "[^a]*",
  "*/*/*",
  "bin",
  "lib/*",
  "./a",
  "a/",
  "nosuch",
  "..",
  "../workspace/*",
  "/tmp/tandem-case/workspace/*",
  "",
  ".",
  "**",
  "**/*",
  "\\*",
  "*é*",
  "{a,b}",
  ".*",
  "a/../b",
];

/** Globs, some of them made of names that are there. */
function drawSlice(draw: Draw, app: readonly FileInput[]): string {
  const names = app.map(({ path = "" }) => path.split("/").slice(1).join("/")).filter((name) => name !== "");
  const patterns = draw.times(draw.between(0, 4), () =>
    names.length > 0 && draw.chance(0.6) ? drawPattern(draw, draw.pick(names)) : draw.pick(PATTERNS),
  );
  return `[[slices]]\npaths = ${tomlStrings(patterns)}\n`;
}

function drawPattern(draw: Draw, name: string): string {
  const quoted = name.replace(/[*?[\\]/g, "\\$&");
  return draw.weighted<() => string>([
    [4, () => quoted],
    [2, () => quoted.replace(/[^/]+$/, "*")],
    [1, () => quoted.replace(/^[^/]+/, "*")],
    [1, () => `${quoted}/*`],
    [1, () => `${quoted}*`],
    [1, () => quoted.replace(/^[a-z]/, "[a-z]")],
    [1, () => quoted.replace(/[a-z]$/, "?")],
    [1, () => `./${quoted}//`],
  ])();
}
