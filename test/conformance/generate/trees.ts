import type { FileInput } from "../recorded-case.ts";
import type { Draw } from "./draw.ts";
import { drawName } from "./file-names.ts";

/** Common properties of a tree's files. */
export interface TreeStyle {
  /** Maximum levels of directories. */
  readonly depth: number;
  /** Maximum number of files and directories in all. */
  readonly budget: number;
  /** Allows device nodes, fifos and sockets. */
  readonly hasSpecials: boolean;
}

/** Owners, the build's user mostly. The last are beyond what a tar header's field holds. */
const OWNERS: readonly (readonly [number, readonly [number, number]])[] = [
  [12, [1000, 1000]],
  [3, [0, 0]],
  [1, [1000, 0]],
  [1, [65_534, 65_534]],
  [1, [2_097_151, 2_097_151]],
  [1, [2_097_152, 3_000_000]],
];

/** World-readable, because the reader is seldom the owner; an unreadable file ends an export. */
const FILE_MODES = ["0644", "0644", "0644", "0755", "0444", "0666", "0777", "4755", "2755", "1644", "6755"];
const DIR_MODES = ["0755", "0755", "0755", "0775", "0777", "1777", "2755", "0555"];

/**
 * A directory and what is in it, in an order in which it can be made.
 * @param path relative to the case's root
 */
export function drawTree(draw: Draw, path: string, style: TreeStyle): FileInput[] {
  const top = {
    ...location(Buffer.from(path)),
    type: "dir" as const,
    mode: draw.pick(["0755", "0755", "0755", "0775"]),
  };
  return [top, ...drawBelow(draw, Buffer.from(path), style)];
}

/** Contents of a directory that exists already. */
function drawBelow(draw: Draw, path: Buffer, style: TreeStyle): FileInput[] {
  const made: FileInput[] = [];
  const regular: FileInput[] = [];
  let left = style.budget;
  const fill = (directory: Buffer, depth: number): void => {
    const taken = new Set<string>();
    const count = draw.between(depth === style.depth ? 1 : 0, 5);
    for (let i = 0; i < count && left > 0; i++) {
      const name = drawName(draw);
      if (taken.has(name.toString("latin1"))) continue;
      taken.add(name.toString("latin1"));
      left -= 1;
      const at = Buffer.concat([directory, Buffer.from("/"), name]);
      if (depth > 0 && draw.chance(0.3)) {
        made.push({ ...located(draw, at), type: "dir", mode: draw.pick(DIR_MODES) });
        fill(at, depth - 1);
      } else {
        const file = drawFile(draw, at, style, regular);
        made.push(file);
        if ((file.type ?? "file") === "file") regular.push(file);
      }
    }
  };
  fill(path, style.depth);
  return made;
}

/** A path as a case writes it down. */
function location(path: Buffer): Pick<FileInput, "path" | "pathBase64"> {
  const text = path.toString();
  return Buffer.from(text).equals(path) ? { path: text } : { pathBase64: path.toString("base64") };
}

/** A place with an owner, and a time that no tar may show. */
function located(draw: Draw, path: Buffer): FileInput {
  const [uid, gid] = draw.weighted(OWNERS);
  const owner = uid === 1000 && gid === 1000 ? {} : { uid, gid };
  const times = draw.maybe(0.1, () => ({
    mtime: draw.pick([0, 1, -1, 315_532_801, 2_000_000_000.5, 253_402_300_799]),
  }));
  return { ...location(path), ...owner, ...times[0] };
}

function drawFile(draw: Draw, path: Buffer, style: TreeStyle, regular: readonly FileInput[]): FileInput {
  const at = located(draw, path);
  const isText = at.path !== undefined;
  const kind = draw.weighted([
    [20, "file"],
    [3, "symlink"],
    [regular.length > 0 ? 2 : 0, "hardlink"],
    [style.hasSpecials && isText && path.length < 60 ? 1 : 0, "special"],
  ] as const);
  if (kind === "symlink") return { ...at, type: "symlink", ...drawTarget(draw) };
  if (kind === "hardlink") {
    const { path: target, pathBase64: targetBase64 } = draw.pick(regular);
    return { ...location(path), type: "hardlink", ...(target === undefined ? { targetBase64 } : { target }) };
  }
  if (kind === "special") return { ...at, ...drawSpecial(draw) };
  return { ...at, mode: draw.pick(FILE_MODES), ...drawContent(draw) };
}

/** Sizes around a tar's blocks. */
const SIZES = [0, 1, 511, 512, 513, 1023, 1024, 1025];

function drawContent(draw: Draw): Partial<FileInput> {
  return draw.weighted<() => Partial<FileInput>>([
    [3, () => ({ content: "" })],
    [6, () => ({ content: `${draw.bytes(6).toString("hex")}\n` })],
    [3, () => ({ base64: draw.bytes(draw.pick(SIZES)).toString("base64") })],
    [2, () => ({ repeat: { text: draw.pick(["0", "ab", "\0", "line\n"]), count: draw.size(15) } })],
    [1, () => ({ content: "start", size: draw.pick([4096, 100_000, 1_048_576, 1_048_577, 3_000_000]) })],
  ])();
}

function drawTarget(draw: Draw): Partial<FileInput> {
  return draw.weighted<() => Partial<FileInput>>([
    [4, () => ({ target: draw.pick(["a", "../x", "./bin", "nowhere", ".", "..", "a/../b", "bin/"]) })],
    [2, () => ({ target: draw.pick(["/etc/passwd", "/nowhere/at/all", "/", "/tmp/tandem-case/layers"]) })],
    [1, () => ({ target: draw.pick(["é", "日本", "a b", "new\nline"]) })],
    [1, () => ({ target: "t/".repeat(draw.pick([49, 50, 51, 100])) })],
    [1, () => ({ targetBase64: Buffer.from([0x61, 0xff, 0x62]).toString("base64") })],
  ])();
}

function drawSpecial(draw: Draw): Partial<FileInput> {
  return draw.pick<Partial<FileInput>>([
    { type: "fifo" },
    { type: "char", major: 1, minor: 3 },
    { type: "char", major: 4095, minor: 1_048_575 },
    { type: "block", major: 7, minor: 200 },
    { type: "socket" },
  ]);
}
