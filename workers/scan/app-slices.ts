import { normalize } from "node:path/posix";
import { Fault } from "../../src/errors/fault.ts";
import { type ByteString, fromByteString } from "../../src/go/byte-string.ts";
import { BadPattern, goMatch } from "../../src/go/match.ts";

interface Pattern {
  readonly slice: number;
  readonly text: ByteString;
}

/** The layers that contain a path, by the path's number. The number after the last slice is the rest layer. */
export type LayersOf = (path: number) => readonly number[];

const STATE = { none: 0, matched: 1, taken: 2, above: 3 } as const;

const NO_SLICE = -1;

/**
 * Divides the app directory into its slices and the rest (docs/compatibility.md#app-slices). Each file goes to the
 * first slice that matches it; the directories above a file are repeated in every slice that needs them. Keeps only the
 * number of each path's parent, because there may be a million paths.
 */
export class AppSlices {
  readonly #patterns: readonly Pattern[];
  readonly #parents: number[] = [];
  readonly #matched: number[][];
  #failure: { readonly pattern: number; readonly fault: Fault } | undefined;

  constructor(slices: readonly (readonly ByteString[])[]) {
    this.#patterns = slices.flatMap((patterns, slice) =>
      patterns.map((pattern) => ({ slice, text: cleanPattern(pattern) })),
    );
    this.#matched = slices.map(() => []);
  }

  /**
   * Adds the path with the next number, from 0. A directory comes before its contents.
   * @param relative to the app directory, which is the first path
   * @param parent number of its directory; the app directory's own for itself
   */
  add(relative: ByteString, parent: number): void {
    const number = this.#parents.push(parent) - 1;
    if (number === 0) return;
    // The reference tries each pattern on all paths before the next, so the first faulty one is reported.
    for (let i = 0; i < (this.#failure?.pattern ?? this.#patterns.length); i++) this.#match(i, relative, number);
  }

  divide(): LayersOf {
    if (this.#failure !== undefined) throw this.#failure.fault;
    const partition = new SlicePartition(this.#parents);
    for (const [slice, matched] of this.#matched.entries()) if (matched.length > 0) partition.take(slice, matched);
    return partition.end(this.#matched.length);
  }

  #match(index: number, relative: ByteString, number: number): void {
    const { slice, text } = this.#patterns[index] as Pattern;
    try {
      if (goMatch(text, relative)) (this.#matched[slice] as number[]).push(number);
    } catch (error) {
      if (!(error instanceof BadPattern)) throw error;
      this.#failure = { pattern: index, fault: patternFault(relative, text, error) };
    }
  }
}

function cleanPattern(pattern: ByteString): ByteString {
  const clean = normalize(pattern);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

function patternFault(relative: ByteString, pattern: ByteString, cause: BadPattern): Fault {
  const message = `failed to check if '${fromByteString(relative)}' matches '${fromByteString(pattern)}': ${cause.message}`;
  return new Fault("EXPORT_LAYER_PATTERN", message, {
    cause,
  });
}

/**
 * A path has a greater number than its directory, so a forward loop goes down the tree and a backward loop goes up. No
 * later slice can take a path that is taken, which is recomputed for directories (docs/compatibility.md#app-slices).
 */
class SlicePartition {
  readonly #parents: readonly number[];
  readonly #isTaken: Uint8Array;
  readonly #taker: Int32Array;
  readonly #above = new Map<number, number[]>();

  constructor(parents: readonly number[]) {
    this.#parents = parents;
    this.#isTaken = new Uint8Array(parents.length);
    this.#taker = new Int32Array(parents.length).fill(NO_SLICE);
  }

  take(slice: number, matched: readonly number[]): void {
    const state = new Uint8Array(this.#parents.length);
    for (const path of matched) state[path] = STATE.matched;
    for (let path = 1; path < state.length; path++) {
      const isIn = state[path] === STATE.matched || state[this.#parent(path)] === STATE.taken;
      state[path] = isIn && this.#isTaken[path] === 0 ? STATE.taken : STATE.none;
    }
    this.#settle(slice, state);
  }

  end(rest: number): LayersOf {
    return (path) => {
      const above = this.#above.get(path) ?? [];
      const taker = this.#taker[path] as number;
      if (taker !== NO_SLICE) return above.length === 0 ? [taker] : [...above, taker];
      return this.#isTaken[path] === 1 ? above : [...above, rest];
    };
  }

  #settle(slice: number, state: Uint8Array): void {
    const hasUntaken = new Uint8Array(state.length);
    for (let path = state.length - 1; path >= 0; path--) {
      const parent = this.#parent(path);
      if (state[path] === STATE.taken) this.#take(slice, path);
      else if (state[path] === STATE.above) this.#repeat(slice, path, hasUntaken[path] === 0);
      if (state[path] !== STATE.none && state[parent] === STATE.none) state[parent] = STATE.above;
      if (this.#isTaken[path] === 0) hasUntaken[parent] = 1;
    }
  }

  #take(slice: number, path: number): void {
    this.#isTaken[path] = 1;
    this.#taker[path] = slice;
  }

  #repeat(slice: number, path: number, isAllTaken: boolean): void {
    this.#isTaken[path] = isAllTaken ? 1 : 0;
    const slices = this.#above.get(path);
    if (slices === undefined) this.#above.set(path, [slice]);
    else slices.push(slice);
  }

  #parent(path: number): number {
    return this.#parents[path] as number;
  }
}
