import { copyFileSync, mkdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findLibrary, LIBRARY_DIRECTORIES } from "../../scripts/build-binary.ts";

/** The architecture of this machine, as images have it. */
export const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

const LOADERS = { amd64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" } as const;

/** What a program that is linked to the C library and nothing else needs. */
const LIBC = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"];

/** Fills a container's root with the C library, its loader, and a directory for temporary files. */
export function writeLibcRoot(root: string): void {
  const loader = LOADERS[ARCHITECTURE];
  for (const path of ["tmp", "lib", dirname(loader)]) mkdirSync(join(root, path), { recursive: true });
  copyFileSync(realpathSync(loader), join(root, loader));
  for (const name of LIBC) {
    const path = findLibrary(name, LIBRARY_DIRECTORIES[ARCHITECTURE]);
    copyFileSync(realpathSync(path ?? name), join(root, "lib", name));
  }
}
