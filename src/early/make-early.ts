import { realpath, statfs } from "node:fs/promises";
import type { TreeStamp } from "../../workers/protocol.ts";
import type { EarlyBuilder, EarlyLayer } from "../engine/early-builder.ts";
import { messageOf } from "../errors/fault.ts";
import { distrustedFileSystem } from "../files/local-file-systems.ts";
import { fsPath } from "../go/byte-string.ts";
import { LayerWork } from "../observe/layer-work.ts";
import type { DirectorySource } from "../plan/layers.ts";
import { canShowChanges, isMapped } from "./trust.ts";

export interface EarlyPlan {
  readonly id: string;
  readonly source: DirectorySource;
  readonly expected: readonly string[];
  readonly blob: boolean;
}

/** `later`: the obstacle may pass, so try again. */
export type MadeEarly =
  | { readonly kind: "made"; readonly stamp: TreeStamp; readonly layer: EarlyLayer }
  | { readonly kind: "later" | "never"; readonly reason: string };

export interface EarlySite {
  readonly spoolDir: string;
  readonly session: number;
}

/** Bytes that the spool's file system keeps free for the build. */
const SPARE_DISK = 1 << 30;

/**
 * Makes a layer whose later changes its stamp will show (see trust.ts).
 * @throws the signal's reason
 */
export async function makeEarly(
  builder: EarlyBuilder,
  plan: EarlyPlan,
  { spoolDir, session }: EarlySite,
  signal: AbortSignal,
): Promise<MadeEarly> {
  let layer: EarlyLayer | undefined;
  const drop = async (reason: string): Promise<MadeEarly> => {
    await layer?.blob?.spool.release();
    return { kind: "later", reason };
  };
  try {
    const directory = (await realpath(fsPath(plan.source.path), "buffer")).toString("latin1");
    const type = await distrustedFileSystem(directory);
    if (type !== undefined) return { kind: "never", reason: `its file system (type ${type}) may hide changes` };
    const lookMs = Date.now();
    if (isMapped(directory, session)) return await drop("a process has one of its files mapped");
    const { index, stamp } = await builder.scan(plan.source, signal);
    if (!stamp.isSelfContained) return { kind: "never", reason: "a file has names outside of it" };
    if (!canShowChanges(stamp, lookMs)) return await drop("it has just changed");
    if (plan.blob && !(await hasRoomFor(index.tarSize, spoolDir))) return await drop(`${spoolDir} has too little room`);
    layer = await builder.build(plan, index, new LayerWork(plan.id, () => undefined), signal);
    const again = await builder.scan(plan.source, signal);
    if (again.stamp.digest !== stamp.digest) return await drop("it changed meanwhile");
    if (isMapped(directory, session)) return await drop("a process has mapped one of its files");
    signal.throwIfAborted();
    return { kind: "made", stamp, layer };
  } catch (error) {
    const made = await drop(messageOf(error));
    signal.throwIfAborted();
    return made;
  }
}

async function hasRoomFor(bytes: number, directory: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize - bytes >= SPARE_DISK;
}
