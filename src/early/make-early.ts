import { realpath, statfs } from "node:fs/promises";
import type { TarIndex, TreeStamp } from "../../workers/protocol.ts";
import type { EarlyBuild, EarlyBuilder } from "../engine/early-builder.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import { distrustedFileSystem } from "../files/local-file-systems.ts";
import { type ByteString, fsPath } from "../go/byte-string.ts";
import { LayerWork } from "../observe/layer-work.ts";
import type { DirectorySource } from "../plan/layers.ts";
import { canShowChanges, hasWriter } from "./trust.ts";

export interface EarlyPlan {
  readonly id: string;
  readonly source: DirectorySource;
  readonly expected: readonly string[];
  readonly blob: boolean;
}

/**
 * A layer whose later changes its stamp will show (see trust.ts), while it is made and after. `hasWriter` is true if a
 * process can write to one of its files now; `stop` gives the layer up, unless it is made.
 */
export interface EarlyMaking {
  readonly stamp: TreeStamp;
  readonly index: TarIndex;
  readonly layer: EarlyBuild["layer"];
  readonly blob: EarlyBuild["blob"];
  hasWriter(): boolean;
  stop(): void;
}

/** `later`: what is in the way may pass. */
export type BegunEarly =
  | { readonly kind: "begun"; readonly making: EarlyMaking }
  | { readonly kind: "later" | "never"; readonly reason: string };

export interface EarlySite {
  readonly spoolDir: string;
  readonly session: number;
}

/** Bytes that the spool's file system keeps free for the build. */
const SPARE_DISK = 1 << 30;

/**
 * Begins to make a layer if its stamp will show later changes.
 * @param signal ends the look at the layer, but not what is begun
 * @throws the signal's reason
 */
export async function beginEarly(
  builder: EarlyBuilder,
  plan: EarlyPlan,
  { spoolDir, session }: EarlySite,
  signal: AbortSignal,
): Promise<BegunEarly> {
  try {
    const directory = await realPath(plan);
    const type = await distrustedFileSystem(directory);
    if (type !== undefined) return never(`its file system (type ${type}) may hide changes`);
    const lookMs = Date.now();
    const isWritten = () => hasWriter(directory, session);
    if (isWritten()) return later("a process has one of its files open for writing");
    const { index, stamp } = await builder.scan(plan.source, signal);
    if (!stamp.isSelfContained) return never("a file has names outside of it");
    if (!canShowChanges(stamp, lookMs)) return later("it has just changed");
    if (plan.blob && !(await hasRoomFor(index.tarSize, spoolDir))) return later(`${spoolDir} has too little room`);
    signal.throwIfAborted();
    const stopped = new AbortController();
    const build = builder.build(plan, index, new LayerWork(plan.id, () => undefined), stopped.signal);
    const stop = () => stopped.abort(new Fault("EXPORT_CANCELLED", "an early layer was not needed any more"));
    return { kind: "begun", making: { stamp, index, ...build, hasWriter: isWritten, stop } };
  } catch (error) {
    signal.throwIfAborted();
    return later(messageOf(error));
  }
}

/**
 * Looks at a layer's tree again after it was made.
 * @returns what makes it worthless, if anything
 * @throws the signal's reason
 */
export async function doubtEarly(
  builder: EarlyBuilder,
  { source }: EarlyPlan,
  { stamp, layer, hasWriter: isWritten }: EarlyMaking,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await layer;
    const again = await builder.stamp(source, signal);
    if (again.digest !== stamp.digest) return "it changed meanwhile";
    return isWritten() ? "a process has opened one of its files for writing" : undefined;
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}

function later(reason: string): BegunEarly {
  return { kind: "later", reason };
}

function never(reason: string): BegunEarly {
  return { kind: "never", reason };
}

async function realPath({ source }: EarlyPlan): Promise<ByteString> {
  return (await realpath(fsPath(source.path), "buffer")).toString("latin1");
}

async function hasRoomFor(bytes: number, directory: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize - bytes >= SPARE_DISK;
}
