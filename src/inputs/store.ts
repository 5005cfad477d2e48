import { withContext } from "../faults/fault.ts";
import { goQuote } from "../faults/go-quote.ts";
import type { ByteString } from "../oci/byte-string.ts";
import type { BuildpackLayers } from "./export-inputs.ts";
import { readToml } from "./toml.ts";
import { freeTable, table } from "./toml-schema.ts";

const storeSchema = table({ metadata: freeTable });

/**
 * Reads a buildpack's store.toml (docs/compatibility.md#buildpack-layers).
 * @throws Fault `failed decoding store.toml for buildpack "<id>": ...`
 */
export async function readStore(path: ByteString, buildpackId: string): Promise<BuildpackLayers["store"]> {
  try {
    return await readToml(path, storeSchema);
  } catch (error) {
    throw withContext(`failed decoding store.toml for buildpack ${goQuote(buildpackId)}`, error);
  }
}
