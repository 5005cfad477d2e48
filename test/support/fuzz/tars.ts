import { FIELD, type Magic, paddedSize, sealRecord, TRAILER_SIZE } from "../../../src/go/tar-header.ts";
import { ByteReader } from "../../../workers/tar/byte-reader.ts";
import { encodeHeader } from "../../../workers/tar/encode.ts";
import { tarFault } from "../../../workers/tar/entry.ts";
import { paxRecord } from "../../../workers/tar/pax.ts";
import { TarReader } from "../../../workers/tar/reader.ts";
import type { SeededRandom } from "../random.ts";
import { type FuzzTarget, laterOutcomeOf, violated } from "./target.ts";

const TYPES = [..."0000012345567xgLKSLKx\0AVD"];
const NAMES = [
  "a",
  "dir/",
  "../../etc/passwd",
  "/abs",
  "é",
  "x".repeat(100),
  `${"d".repeat(90)}/${"f".repeat(90)}`,
  "",
];
const NUMBERS = [
  "0000644\0",
  "7777777\0",
  "       \0",
  "-000001\0",
  "\x80\0\0\0\0\0\x01\0",
  "\xff\xff\xff\xff\xff\xff\xff\xff",
  "9999999\0",
  "\0",
];
const SIZES = [0, 1, 511, 512, 513, 1500];
const RECORDS: readonly (readonly [string, readonly string[]])[] = [
  ["path", ["p", "é", "x".repeat(200), "", "a\0b", "../x"]],
  ["linkpath", ["l", ""]],
  ["size", ["0", "10", "-1", "9".repeat(30), "512", "x"]],
  ["mtime", ["1.5", "-1.000000001", "x", "1e5", "."]],
  ["atime", ["-62135596800", "12.000000000001", "1"]],
  ["uid", ["4294967296", "-5", "+7"]],
  ["GNU.sparse.major", ["0", "1", "2"]],
  ["GNU.sparse.minor", ["0", "1"]],
  ["GNU.sparse.map", ["0,1,2,3", "", "1", "5,5,0,1"]],
  ["GNU.sparse.numblocks", ["2", "1", "-1", "99999999999"]],
  ["GNU.sparse.realsize", ["10", "1099511627776", "x"]],
  ["GNU.sparse.offset", ["0", "1,2"]],
  ["GNU.sparse.numbytes", ["1"]],
  ["SCHILY.xattr.user.x", ["v\0w"]],
  ["__proto__", ["x"]],
];

function header(random: SeededRandom, size: number): Buffer {
  const block = Buffer.alloc(512);
  const magic = random.pick(["ustar\x0000", "ustar\x0000", "ustar  \0", "", "ustar\x0000"]);
  block.write(random.pick(NAMES).slice(0, 100), 0, "latin1");
  for (const at of [100, 108, 116, 329, 337])
    block.write(random.below(6) === 0 ? random.pick(NUMBERS) : "0000000\0", at, "latin1");
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  block.write("00000000000\0", 136, "latin1");
  block.write(random.pick(TYPES), 156, "latin1");
  if (random.below(3) === 0) block.write(random.pick(NAMES).slice(0, 100), 157, "latin1");
  if (random.below(5) === 0) block.write(random.pick([...NAMES, ...NUMBERS]).slice(0, 155), 345, "latin1");
  if (random.below(9) === 0) block.write("tar\0", 508, "latin1");
  sealRecord(block, magic as Magic);
  return block;
}

function sealAgain(block: Buffer): void {
  const { offset, size } = FIELD.magic;
  sealRecord(block, block.toString("latin1", offset, offset + size) as Magic);
}

function contentsFor(random: SeededRandom): Buffer {
  switch (random.below(4)) {
    case 0: {
      const records = Array.from({ length: random.skewed(2) + 1 }, () => {
        const [key, values] = random.pick(RECORDS);
        return paxRecord(key, random.pick(values));
      });
      return Buffer.from(records.join(""), "latin1");
    }
    case 1:
      return Buffer.from(`${random.pick(NAMES)}\0`, "latin1");
    case 2:
      return Buffer.from(random.pick(["1\n0\n5\n", "2\n0\n1\n3\n1\n", "99999999\n", "x\n", "1\n"]).padEnd(512, "\0"));
    default:
      return Buffer.alloc(random.pick(SIZES), "c");
  }
}

function tarOf(random: SeededRandom): Buffer {
  const parts: Buffer[] = [];
  for (let entries = random.skewed(2) + 1; entries > 0; entries--) {
    const contents = contentsFor(random);
    parts.push(header(random, contents.length), contents, Buffer.alloc(paddedSize(contents.length) - contents.length));
  }
  const tar = Buffer.concat([...parts, Buffer.alloc(random.below(5) === 0 ? 512 : TRAILER_SIZE)]);
  for (let changes = random.below(4) === 0 ? random.skewed(3) : 0; changes > 0; changes--) {
    const at = random.below(tar.length);
    tar[at] = random.next();
    const block = tar.subarray(at & ~511, (at & ~511) + 512);
    if (random.below(2) === 0 && block.length === 512) sealAgain(block);
  }
  return random.below(8) === 0 ? tar.subarray(0, random.below(tar.length)) : tar;
}

/** Size limit of a copy in bytes, so that the zeros of sparse files are not allocated. */
const MAX_COPY = 1 << 22;

async function copied(tar: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  const write = (bytes: Buffer): void => {
    size += bytes.length;
    if (size > MAX_COPY) throw tarFault("too long for this test");
    pieces.push(Buffer.from(bytes));
  };
  const writeZeros = (count: number): void => {
    if (!Number.isInteger(count) || count < 0) violated("zeros", count);
    if (size + count > MAX_COPY) throw tarFault("too long for this test");
    write(Buffer.alloc(count));
  };
  const reader = new TarReader(new ByteReader(chunksOf(tar)));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    write(encodeHeader(entry));
    await reader.copyContents({ write, writeZeros });
    write(Buffer.alloc(paddedSize(size) - size));
  }
  return Buffer.concat([...pieces, Buffer.alloc(TRAILER_SIZE)]);
}

async function* chunksOf(tar: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < tar.length; at += 700) yield tar.subarray(at, at + 700);
}

/** Tars of other programs: copying a copy does not change it. */
export const tars: FuzzTarget<Buffer> = {
  name: "tars",
  generate: tarOf,
  check: (tar) =>
    laterOutcomeOf(async () => {
      const copy = await copied(tar);
      if (!(await copied(copy)).equals(copy)) violated("a copy's copy differs", tar.toString("base64"));
      return copy;
    }),
};
