import type { Architecture } from "./fetch-runtime.ts";

/*
 * 64-bit little-endian ELF files: all programs of the supported architectures. Offsets are those of Elf64_Ehdr and
 * Elf64_Phdr (elf(5)).
 */

const HEADER_SIZE = 64;

/** `e_machine` by architecture. */
const MACHINES: Readonly<Record<number, Architecture>> = { 62: "amd64", 183: "arm64" };

/** @returns undefined for a file that is not a program of these architectures */
export function architectureOf(file: Buffer): Architecture | undefined {
  const isElf64 = file.length >= HEADER_SIZE && file.subarray(0, 6).toString("latin1") === "\x7fELF\x02\x01";
  return isElf64 ? MACHINES[file.readUInt16LE(18)] : undefined;
}

/** @throws Error for a file that is not a complete program or library for the architecture */
export function checkElf(file: Buffer, path: string, architecture: Architecture): void {
  if (architectureOf(file) !== architecture) throw new Error(`${path} is not for linux/${architecture}`);
  const end = endOfSegments(file);
  if (end > file.length)
    throw new Error(`${path} is truncated: it has ${file.length} bytes and its segments end at ${end}`);
}

function endOfSegments(file: Buffer): number {
  const headers = Number(file.readBigUInt64LE(32));
  const [size, count] = [file.readUInt16LE(54), file.readUInt16LE(56)];
  let end = headers + size * count;
  if (end > file.length) return end;
  for (let header = headers; header < headers + size * count; header += size)
    end = Math.max(end, Number(file.readBigUInt64LE(header + 8) + file.readBigUInt64LE(header + 32)));
  return end;
}

/**
 * Drops symbols, debugging information and the section table, like `strip`, for every architecture.
 * @param file complete ({@link checkElf})
 * @returns the file up to the end of its last segment
 */
export function strip(file: Buffer): Buffer {
  const stripped = Buffer.from(file.subarray(0, endOfSegments(file)));
  // e_shoff, e_shnum and e_shstrndx: no sections.
  stripped.writeBigUInt64LE(0n, 40);
  stripped.writeUInt32LE(0, 60);
  return stripped;
}
