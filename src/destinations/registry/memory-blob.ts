import type { GrowingBlob } from "../../layers/layer.ts";
import { digestOf } from "../../oci/digest.ts";

/** A small blob that is complete and in memory: a config. */
export function memoryBlob(bytes: Uint8Array): GrowingBlob {
  return {
    available: bytes.length,
    done: Promise.resolve({ digest: digestOf(bytes), size: bytes.length }),
    reaches: async (position) => position < bytes.length,
    read: async function* (from) {
      if (from < bytes.length) yield bytes.subarray(from);
    },
  };
}
