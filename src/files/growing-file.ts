import * as fs from "node:fs";
import { promisify } from "node:util";
import { Fault } from "../errors/fault.ts";

/** Chunks that a reader may hold at once: one in the socket, one in the stream before it, one being read. */
export const CHUNKS_IN_FLIGHT = 4;

/**
 * Bytes per chunk. Each one costs its thread 20 to 30 µs on its way to the socket, whatever its size; a slow link takes
 * one of 256 KiB within the stall timeout at 4.4 kB/s. Chunks are recycled: allocating each one kept the garbage
 * collector busy for a tenth of the export's time.
 */
const CHUNK_SIZE = 256 << 10;

const READ_SIZE = 2 * CHUNK_SIZE;

/** A reader's ring buffer: a read overwrites none of the last {@link CHUNKS_IN_FLIGHT} chunks. */
const RING_SIZE = CHUNKS_IN_FLIGHT * CHUNK_SIZE + READ_SIZE;

const read = promisify(fs.read);

/** A file, or a part of one from `offset`, that is read while it is written. */
export interface GrowingFile {
  readonly fileDescriptor: number;
  readonly offset: number;
  readonly available: number;
  /**
   * Resolves true once more than `bytes` are available, false if the file ends at or before that size.
   * @throws the writer's failure; the signal's reason
   */
  reaches(bytes: number, signal?: AbortSignal): Promise<boolean>;
}

export async function* readGrowing(file: GrowingFile, from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const ring = Buffer.allocUnsafeSlow(RING_SIZE);
  let next = 0;
  for (let position = from; await file.reaches(position, signal); ) {
    // Only the last chunk is short: a socket accepts several short chunks before it applies backpressure.
    const isGrowing = await file.reaches(position + CHUNK_SIZE - 1, signal);
    const ready = Math.min(READ_SIZE, RING_SIZE - next, file.available - position);
    const length = isGrowing ? ready - (ready % CHUNK_SIZE) : ready;
    const { bytesRead } = await read(file.fileDescriptor, ring, next, length, file.offset + position);
    if (bytesRead === 0) throw new Fault("EXPORT_LAYER_SPOOL", "the spool file is shorter than what was written to it");
    const end = next + bytesRead;
    for (; next < end; next += CHUNK_SIZE) yield ring.subarray(next, Math.min(next + CHUNK_SIZE, end));
    if (next >= RING_SIZE) next = 0;
    position += bytesRead;
  }
}
