import { z } from "zod";
import type { FreeValue } from "../cnb/metadata.ts";
import { Fault } from "../faults/fault.ts";
import { type ByteString, fromByteString } from "../oci/byte-string.ts";
import { isMissingFile, readToml } from "./toml.ts";
import { flag, freeValue, isTable, table } from "./toml-schema.ts";

/** The contents of a `<layer>.toml` (docs/compatibility.md#buildpack-layers). */
export interface LayerToml {
  readonly data: FreeValue;
  readonly build: boolean;
  readonly launch: boolean;
  readonly cache: boolean;
}

const NOTHING: LayerToml = { data: null, build: false, launch: false, cache: false };

/** Added to the document before its keys are matched, because these three are looked up by their exact names. */
const FLAGS_ON_TOP = "flags on top";

function markFlagsOnTop(document: unknown): unknown {
  if (!isTable(document)) return document;
  return { ...document, [FLAGS_ON_TOP]: ["build", "launch", "cache"].some((name) => Object.hasOwn(document, name)) };
}

const layerSchema = z.preprocess(
  markFlagsOnTop,
  table({
    [FLAGS_ON_TOP]: flag,
    metadata: freeValue,
    types: table({ build: flag, launch: flag, cache: flag }).optional(),
  }),
);

/**
 * Reads a layer's TOML file (docs/compatibility.md#buildpack-layers). A missing file means no flags and no metadata.
 * @throws Fault if it cannot be read or decoded, or has its flags outside of `[types]`
 */
export async function readLayerToml(path: ByteString): Promise<LayerToml> {
  try {
    const layer = await readToml(path, layerSchema);
    if (!layer[FLAGS_ON_TOP]) return { ...NOTHING, ...layer.types, data: layer.metadata };
  } catch (error) {
    if (isMissingFile(error)) return NOTHING;
    throw error;
  }
  throw new Fault(
    "EXPORT_INPUT_LAYER_TOML",
    `the launch, cache and build flags should be in the types table of ${fromByteString(path)}`,
  );
}
