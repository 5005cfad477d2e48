import { normalize } from "node:path/posix";
import { Fault } from "../faults/fault.ts";
import { type ByteString, fromByteString } from "../oci/byte-string.ts";
import { BadPattern, goMatch } from "./go-match.ts";
import type { WalkedPath } from "./walk.ts";

interface Node {
  readonly walked: WalkedPath;
  /** Name relative to the app directory. */
  readonly relative: ByteString;
  readonly parent: Node | undefined;
  readonly children: Node[];
  /** Already in a layer, so that no later one takes it; recomputed for directories (contract 4.3). */
  isTaken: boolean;
}

/**
 * Divides the app directory into its slices and the rest (contract 4.3). Each file goes to the first slice that matches
 * it; the directories above a file come along in every slice that needs them.
 * @param snapshot the app directory's walk, itself first
 * @param slices patterns of each slice, Go's `filepath.Match` syntax, byte strings
 * @returns one list per slice and one for the rest, each in byte order of the full path
 */
export function sliceApp(snapshot: readonly WalkedPath[], slices: readonly (readonly ByteString[])[]): WalkedPath[][] {
  const nodes = buildTree(snapshot);
  const layers = slices.map((patterns) => takeSlice(matchAll(nodes, patterns)));
  const rest = nodes.filter((node) => !node.isTaken);
  return [...layers, rest].map((layer) => layer.map((node) => node.walked).sort(byPath));
}

function byPath(a: WalkedPath, b: WalkedPath): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

function buildTree(snapshot: readonly WalkedPath[]): Node[] {
  const root = snapshot[0];
  const above: Node[] = [];
  return snapshot.map((walked) => {
    const parent = walked.depth === 0 ? undefined : above[walked.depth - 1];
    const skip = root === undefined ? 0 : root.path.endsWith("/") ? root.path.length : root.path.length + 1;
    const node: Node = { walked, relative: walked.path.slice(skip), parent, children: [], isTaken: false };
    parent?.children.push(node);
    above[walked.depth] = node;
    return node;
  });
}

/** Go's `filepath.Clean` of a pattern. */
function cleanPattern(pattern: ByteString): ByteString {
  const clean = normalize(pattern);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

function matchAll(nodes: readonly Node[], patterns: readonly ByteString[]): Node[] {
  return patterns.flatMap((pattern) => {
    const clean = cleanPattern(pattern);
    return nodes.slice(1).filter((node) => matches(clean, node.relative));
  });
}

function matches(pattern: ByteString, relative: ByteString): boolean {
  try {
    return goMatch(pattern, relative);
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    const message = `failed to check if '${fromByteString(relative)}' matches '${fromByteString(pattern)}': ${error.message}`;
    throw new Fault("EXPORT_LAYER_PATTERN", message, {
      cause: error,
      hint: "Correct the pattern in the buildpack's launch.toml slices.",
    });
  }
}

function takeSlice(matched: readonly Node[]): Node[] {
  const slice = new Set<Node>();
  for (const node of matched) take(node, slice);
  const parents = new Set<Node>();
  for (const node of slice)
    for (let parent = node.parent; parent !== undefined; parent = parent.parent)
      if (!slice.has(parent)) parents.add(parent);
  const deepestFirst = [...parents].sort((a, b) => b.walked.depth - a.walked.depth);
  for (const parent of deepestFirst) parent.isTaken = parent.children.every((child) => child.isTaken);
  return [...slice, ...parents];
}

/** Takes a path and all below it, except what an earlier slice has; nothing below a taken directory is looked at. */
function take(top: Node, slice: Set<Node>): void {
  const stack = [top];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.isTaken) continue;
    node.isTaken = true;
    slice.add(node);
    stack.push(...node.children);
  }
}
