import { Fault } from "../../faults/fault.ts";

/** One file of the tar that a daemon loads. */
export interface UploadEntry {
  /** At most 100 ASCII characters. */
  readonly name: string;
  /** Bytes; exactly as many must come. */
  readonly size: number;
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const RECORD_SIZE = 512;

/** Two empty records. */
export const TAR_END = Buffer.alloc(2 * RECORD_SIZE);

/** The largest size that eleven octal digits hold; above it is written in binary, as GNU tar does and Go reads. */
const MAX_OCTAL_SIZE = 0o77777777777;

/**
 * An entry's bytes in a tar, as the reference writes them: a USTAR header with mode 0644 and zeros for owner and time,
 * the contents, and zeros up to the next record (docs/compatibility.md#daemon-load).
 * @throws Fault if contents and size differ; errors of the contents
 */
export async function* tarEntry({ name, size, open }: UploadEntry): AsyncGenerator<Uint8Array> {
  yield header(name, size);
  let left = size;
  for await (const chunk of open()) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0)
    throw new Fault("EXPORT_INTERNAL", `${name} has ${left < 0 ? "more" : "fewer"} than its ${size} bytes`);
  const padding = (RECORD_SIZE - (size % RECORD_SIZE)) % RECORD_SIZE;
  if (padding > 0) yield TAR_END.subarray(0, padding);
}

function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(RECORD_SIZE);
  block.write(name, 0, 100, "latin1");
  block.write("0000644\0" + "0000000\0" + "0000000\0", 100, "latin1");
  writeSize(block, size);
  block.write("00000000000\0" + "        " + "0", 136, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function writeSize(block: Buffer, size: number): void {
  if (size <= MAX_OCTAL_SIZE) {
    block.write(size.toString(8).padStart(11, "0"), 124, "latin1");
    return;
  }
  block[124] = 0x80;
  block.writeBigUInt64BE(BigInt(size), 128);
}
