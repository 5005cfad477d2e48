import { readFileSync, statSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { MAGIC, sealRecord, TAR_TYPE, writeRecord } from "../../../src/go/tar-header.ts";
import { filesBelow } from "../files/file-tree.ts";

/** Real data for benchmarks and fuzzing: files of this machine, each behind a tar header, as in layers. */
export const CORPUS_NAMES = ["libraries", "text", "compressed"] as const;

export type CorpusName = (typeof CORPUS_NAMES)[number];

/** @throws Error that lists the names */
export function corpusName(text: string): CorpusName {
  const name = CORPUS_NAMES.find((one) => one === text);
  if (name === undefined) throw new Error(`there is no input ${text}; there are ${CORPUS_NAMES.join(", ")}`);
  return name;
}

const usrLib = "/usr/lib";
const places: Record<CorpusName, { readonly folders: readonly string[]; readonly pattern: RegExp }> = {
  libraries: { folders: [usrLib], pattern: /\.so(\.[\d.]+)?$/ },
  text: {
    folders: ["node_modules", "/usr/include", "/usr/share"],
    pattern: /\.(ts|js|mjs|cjs|md|json|h|hpp|py|txt|html)$/,
  },
  compressed: {
    folders: ["/usr/share", usrLib, "/var", "/opt"],
    pattern: /\.(gz|jar|whl|png|xz|zip|jpg|woff2|tgz|zst)$/,
  },
};

/** Reads up to `limit` bytes. If the machine has too few compressed files, libraries are gzipped. */
export function readCorpus(name: CorpusName, limit: number): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  const add = (path: string, content: Buffer): void => {
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    parts.push(tarHeader(path, content.length), content, padding);
    total += 512 + content.length + padding.length;
  };
  const { folders, pattern } = places[name];
  for (const folder of folders) {
    for (const path of filesBelow(folder, pattern)) {
      if (total >= limit) break;
      if (statSync(path).size < 64_000_000) add(path, readFileSync(path));
    }
  }
  if (name === "compressed") {
    for (const path of filesBelow(usrLib, places.libraries.pattern)) {
      if (total >= limit) break;
      const content = readFileSync(path);
      if (content.length < 4_000_000) add(`${path}.gz`, gzipSync(content, { level: 6 }));
    }
  }
  return Buffer.concat(parts).subarray(0, limit);
}

function tarHeader(path: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  const devices = { deviceMajor: undefined, deviceMinor: undefined };
  const owner = { uid: 1000, gid: 1000 };
  const values = { name: path.slice(-100), type: TAR_TYPE.file, mode: 0o644, ...owner, size, linkName: "", ...devices };
  writeRecord(header, values, 0o14000000000);
  sealRecord(header, MAGIC.ustar);
  return header;
}
