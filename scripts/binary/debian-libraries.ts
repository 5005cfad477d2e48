import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { runTool } from "../run-tool.ts";
import { makeTemporaryDirectory, ROOT } from "../script.ts";
import type { Architecture } from "./fetch-runtime.ts";

/*
 * The C library, its dynamic loader and GCC's libraries, which Node.js links to, from Debian packages that
 * debian-packages.json pins by file and SHA-256. Debian 12: its glibc has the name services files and dns within
 * libc.so.6, and runs on Linux 3.2 and newer. Pool paths of a release without further point releases never change, on
 * mirrors and in Debian's archive of old releases.
 */

const packagesSchema = z.record(
  z.enum(["amd64", "arm64"]),
  z.array(z.object({ path: z.string(), sha256: z.string() })).min(1),
);

const PINS = join(import.meta.dirname, "debian-packages.json");

/** Keeps fetched packages for later builds. */
export const PACKAGES = join(ROOT, "dist", "packages");

/** Debian's multiarch triplets, and the file names of the loaders. */
const PLATFORMS = {
  amd64: { triplet: "x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2" },
  arm64: { triplet: "aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1" },
} as const;

/** The loader's name beside the launcher. */
export const LOADER = "ld.so";

export const LIBRARIES = [
  "libatomic.so.1",
  "libc.so.6",
  "libdl.so.2",
  "libgcc_s.so.1",
  "libm.so.6",
  "libpthread.so.0",
  "libstdc++.so.6",
] as const;

/** Debian's copyright files of these packages, and the license texts that they refer to. */
const LICENSES = [
  "usr/share/doc/libc6/copyright",
  "usr/share/doc/gcc-12-base/copyright",
  "usr/share/common-licenses/LGPL-2.1",
  "usr/share/common-licenses/GPL-2",
  "usr/share/common-licenses/GPL-3",
] as const;

/** Part of apt; fetches files with apt's proxies and credentials. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";

const MIRROR_HINT =
  "Build on a machine whose apt has a Debian mirror, or set DEBIAN_MIRROR to the URL of one (http, https or file)";

/**
 * Copies the loader and the libraries of an architecture to a directory.
 * @returns their licenses, as one text
 * @throws Error if a package is unavailable, does not match its pin, or lacks a file
 */
export function copyDebianLibraries(architecture: Architecture, directory: string): string {
  const packages = packagesSchema.parse(JSON.parse(readFileSync(PINS, "utf8")))[architecture];
  const unpacked = makeTemporaryDirectory(join(tmpdir(), "tandem-libraries-"));
  try {
    for (const { path, sha256 } of packages) {
      const file = fetchPackage(path, sha256);
      runTool("dpkg-deb", ["--extract", file, unpacked], { remedy: "Install dpkg" });
    }
    const { triplet, loader } = PLATFORMS[architecture];
    const find = (name: string): string => {
      const candidates = ["lib", "usr/lib"].map((parent) => join(unpacked, parent, triplet, name));
      const found = candidates.find(existsSync);
      if (found === undefined) throw new Error(`${PINS}: no package for ${architecture} has ${name}`);
      return found;
    };
    copyFileSync(find(loader), join(directory, LOADER));
    for (const name of LIBRARIES) copyFileSync(find(name), join(directory, name));
    const sources = packages.map(({ path }) => `  ${basename(path)}\n`).join("");
    const texts = LICENSES.map((path) => `${path}:\n\n${readFileSync(join(unpacked, path), "utf8")}`);
    return [`From these packages of Debian 12, unchanged:\n\n${sources}`, ...texts].join("\n\n");
  } finally {
    rmSync(unpacked, { recursive: true });
  }
}

/**
 * @param path in a mirror's directory, `pool/…`
 * @returns path of the package, from an earlier build or from a mirror
 * @throws Error if no mirror has it, or its digest does not match
 */
export function fetchPackage(path: string, sha256: string): string {
  const kept = join(PACKAGES, basename(path));
  if (existsSync(kept) && hashFile(kept) === sha256) return kept;
  mkdirSync(dirname(kept), { recursive: true });
  const partial = `${kept}.${process.pid}`;
  const failures: string[] = [];
  try {
    for (const mirror of mirrors()) {
      try {
        const options = { remedy: `Install apt. ${MIRROR_HINT}` };
        runTool(APT_HELPER, ["download-file", `${mirror}/${path}`, partial], options);
      } catch (error) {
        failures.push(String(error));
        continue;
      }
      const found = hashFile(partial);
      if (found !== sha256) throw new Error(`${mirror}/${path} has the SHA-256 ${found}, and ${PINS} pins ${sha256}`);
      renameSync(partial, kept);
      return kept;
    }
  } finally {
    rmSync(partial, { force: true });
  }
  throw new Error(`no Debian mirror has ${path}\n${[...failures, MIRROR_HINT].join("\n")}`);
}

/** A pool contains packages of all releases and architectures, so this machine's own mirrors serve. */
function mirrors(): readonly string[] {
  const given = process.env.DEBIAN_MIRROR;
  if (given) return [given.replace(/\/+$/, "")];
  const sites = runTool("apt-get", ["indextargets", "--format", "$(SITE)", "Created-By: Packages"], {
    remedy: `Install apt. ${MIRROR_HINT}`,
  });
  return [...new Set(sites.split("\n").filter((site) => site !== ""))].map((site) => site.replace(/\/+$/, ""));
}

function hashFile(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
