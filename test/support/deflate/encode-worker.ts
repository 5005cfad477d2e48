import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { instantiateDeflate } from "../../../workers/blocks/encoder.ts";

/** One thread of the test in which encoders share a memory: encodes its blocks repeatedly. */
export interface EncodeWorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly scratch: number;
  readonly output: number;
  readonly inputs: readonly { readonly at: number; readonly length: number }[];
  readonly levels: readonly number[];
  readonly rounds: number;
}

const { module, memory, scratch, output, inputs, levels, rounds } = workerData as EncodeWorkerData;
const deflate = instantiateDeflate(module, memory, scratch);
const hashes: string[] = [];
for (let round = 0; round < rounds; round++) {
  for (const { at, length } of inputs) {
    for (const level of levels) {
      const size = deflate.encode(at, length, output, level);
      hashes.push(
        createHash("sha256")
          .update(new Uint8Array(memory.buffer, output, size))
          .digest("hex"),
      );
    }
  }
}
parentPort?.postMessage(hashes);
