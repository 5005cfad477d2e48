import { realpath, statfs } from "node:fs/promises";
import type { TarIndex, TreeStamp } from "../../workers/protocol.ts";
import type { EarlyBuild, EarlyBuilder, WantedProducts } from "../engine/early-builder.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import { distrustedFileSystem } from "../files/local-file-systems.ts";
import { type ByteString, fsPath } from "../go/byte-string.ts";
import { LayerWork } from "../observe/layer-work.ts";
import type { DirectorySource } from "../plan/layers.ts";
import { canShowChanges, hasWriter } from "./change-detection.ts";
import { LayerFiles } from "./layer-files.ts";

export interface EarlyPlan extends WantedProducts {
  readonly id: string;
  readonly source: DirectorySource;
}

/**
 * A build of a layer, and a stamp of its tree that will show every later change (change-detection.ts). `hasWriter` is
 * true if a process can write to one of the layer's files now; `stop` cancels the build unless it is complete.
 */
export interface StampedBuild extends EarlyBuild {
  readonly stamp: TreeStamp;
  readonly index: TarIndex;
  hasWriter(): boolean;
  stop(): void;
}

/** `retry`: the obstacle may be temporary; `skip`: it is permanent. */
export type EarlyStart =
  | { readonly kind: "started"; readonly build: StampedBuild }
  | { readonly kind: "retry" | "skip"; readonly reason: string };

export interface EarlyContext {
  readonly spoolDir: string;
  /** Session id of the builder and the buildpacks that it runs: the builder's pid (setsid(2)). */
  readonly session: number;
}

/** Bytes that the spool's file system keeps free for the build. */
const SPARE_DISK = 1 << 30;

/**
 * Scans a layer, and starts to build it if its stamp will show later changes.
 * @param signal ends the scan, but not a started build
 * @throws the signal's reason
 */
export async function startEarlyLayer(
  builder: EarlyBuilder,
  plan: EarlyPlan,
  { spoolDir, session }: EarlyContext,
  signal: AbortSignal,
): Promise<EarlyStart> {
  try {
    const directory = await realPath(plan);
    const type = await distrustedFileSystem(directory);
    if (type !== undefined) return skip(`its file system (type ${type}) may hide changes`);
    const scanStartMs = Date.now();
    const { index, stamp } = await builder.scan(plan.source, signal);
    if (!stamp.isSelfContained) return skip("a file has names outside of it");
    const files = new LayerFiles(directory, stamp.inodes);
    const isWritten = () => hasWriter(files, session);
    if (isWritten()) return retry("a process has one of its files open for writing");
    if (!canShowChanges(stamp, scanStartMs)) return retry("it has just changed");
    if (plan.blob && !(await hasRoomFor(index.tarSize, spoolDir))) return retry(`${spoolDir} has too little room`);
    signal.throwIfAborted();
    const stopped = new AbortController();
    const products = builder.build(plan, index, new LayerWork(plan.id, () => undefined), stopped.signal);
    const stop = () => stopped.abort(new Fault("EXPORT_CANCELLED", "an early layer was not needed any more"));
    return { kind: "started", build: { stamp, index, ...products, hasWriter: isWritten, stop } };
  } catch (error) {
    signal.throwIfAborted();
    return retry(messageOf(error));
  }
}

/**
 * Scans a layer's tree again after the layer was built.
 * @returns why the layer cannot be used; undefined if it can
 * @throws the signal's reason
 */
export async function verifyEarlyLayer(
  builder: EarlyBuilder,
  { source }: EarlyPlan,
  { stamp, layer, hasWriter: isWritten }: StampedBuild,
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

function retry(reason: string): EarlyStart {
  return { kind: "retry", reason };
}

function skip(reason: string): EarlyStart {
  return { kind: "skip", reason };
}

async function realPath({ source }: EarlyPlan): Promise<ByteString> {
  return (await realpath(fsPath(source.path), "buffer")).toString("latin1");
}

async function hasRoomFor(bytes: number, directory: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize - bytes >= SPARE_DISK;
}
