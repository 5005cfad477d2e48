import { SpooledBlob } from "../../src/engine/spool.ts";
import { SpoolFiles } from "../../src/engine/spool-files.ts";

export async function ownSpool(directory: string): Promise<SpooledBlob> {
  return SpooledBlob.in(await new SpoolFiles(directory, 1).open(0));
}
