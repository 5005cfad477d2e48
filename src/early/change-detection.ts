import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import type { TreeStamp } from "../../workers/protocol.ts";
import { isNotExist } from "../go/errno.ts";
import { hasLostFirstThread, mayBelongToBuild } from "./build-processes.ts";
import type { LayerFiles, MappedFile } from "./layer-files.ts";

/*
 * When a stamp shows every later change of a tree. The kernel sets the ctime of a file at every change of its contents
 * or attributes, no program can set it, and a stamp has it of every path. What is left, and ruled out here:
 *
 * - Network file systems and FUSE, where another machine or a program sets the times.
 * - A change in the same tick of the kernel's clock as the last one before the stamp: both have the same ctime.
 * - A file that is mapped shared. The first write to a page through a mapping sets the ctime; further ones do not until
 *   the page was written back (`file_update_time` in mm/memory.c and the file systems' `page_mkwrite`). A mapping that
 *   comes after the check has its first write after it, so only mappings that exist at the check matter.
 * - A write(2) that began before the check and has not ended: it sets the ctime when it begins
 *   (`generic_file_write_iter` in mm/filemap.c). So only files that are open for writing at the check matter.
 * - A file that can be written under a path outside of the tree: a hard link, or where its file system is also mounted.
 */

/** Longer than a tick of the clock that gives ctimes: 1 to 10 ms (CONFIG_HZ). */
const TICK_MS = 20;

export function canShowChanges(
  { changedMs, isSelfContained }: Pick<TreeStamp, "changedMs" | "isSelfContained">,
  scanStartMs: number,
): boolean {
  return isSelfContained && changedMs < scanStartMs - TICK_MS;
}

const MAX_PROCESSES = 1000;

/**
 * True if a process has a file of the layer open for writing, or in a shared mapping that it may write to. A process
 * that may not be inspected counts if it may belong to the build. Also true with more than {@link MAX_PROCESSES}, such
 * as those of a whole host: reading them all would take too long.
 * @param session of the builder, which leads it (setsid(2))
 */
export function hasWriter(layer: LayerFiles, session: number, pids: readonly string[] = processes()): boolean {
  if (pids.length > MAX_PROCESSES) return true;
  return pids.some((pid) => {
    try {
      const isOfLayer = (mapping: MappedFile) =>
        layer.mayBeMapped(mapping) || (layer.mayBeMappedThroughOverlay(mapping) && mayBelongToBuild(pid, session));
      return directoriesOf(pid).some((directory) => hasOpenFile(directory, layer) || hasMapping(directory, isOfLayer));
    } catch {
      return mayBelongToBuild(pid, session);
    }
  });
}

function processes(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
}

/** Directories of /proc that show the process's descriptors and mappings. */
function directoriesOf(pid: string): string[] {
  const threads = `/proc/${pid}/task`;
  return hasLostFirstThread(pid) ? readdirSync(threads).map((thread) => `${threads}/${thread}`) : [`/proc/${pid}`];
}

function hasOpenFile(procDirectory: string, layer: LayerFiles): boolean {
  return readdirSync(`${procDirectory}/fd`).some((descriptor) => {
    try {
      const path = `${procDirectory}/fd/${descriptor}`;
      const target = readlinkSync(path, "latin1");
      if (!target.startsWith("/")) return false;
      const info = readFileSync(`${procDirectory}/fdinfo/${descriptor}`, "latin1");
      if (!/^flags:\s+[0-7]*[1-3567]$/m.test(info)) return false;
      if (layer.hasPath(target)) return true;
      return layer.mayBeOpen(info, () => statSync(path, { bigint: true }));
    } catch (error) {
      // Closed meanwhile.
      if (isNotExist(error)) return false;
      throw error;
    }
  });
}

const MAPPING = /^[0-9a-f]+-[0-9a-f]+ (?<rights>\S{4}) \S+ (?<device>[0-9a-f]+:[0-9a-f]+) (?<inode>\d+) *(?<path>.*)$/;

function hasMapping(procDirectory: string, isOfLayer: (mapping: MappedFile) => boolean): boolean {
  const isShared = (mapping: Mapping) => mapping.rights[3] === "s" && isOfLayer(mapping);
  const shared = mappings(`${procDirectory}/maps`).filter(isShared);
  if (shared.length === 0) return false;
  if (shared.some(({ rights }) => rights[1] === "w")) return true;
  // Of a file that was opened for writing, the mapping can become writable (`mw`: VM_MAYWRITE).
  return mappings(`${procDirectory}/smaps`).some((mapping) => isShared(mapping) && mapping.flags.includes(" mw"));
}

interface Mapping extends MappedFile {
  readonly rights: string;
  flags: string;
}

function mappings(file: string): Mapping[] {
  const found: Mapping[] = [];
  for (const line of readFileSync(file, "latin1").split("\n")) {
    const { rights, device, inode, path } = MAPPING.exec(line)?.groups ?? {};
    if (rights !== undefined && device !== undefined && inode !== undefined && path !== undefined)
      found.push({ rights, device, inode, path, flags: "" });
    const last = found.at(-1);
    if (last !== undefined && line.startsWith("VmFlags:")) last.flags = line;
  }
  return found;
}
