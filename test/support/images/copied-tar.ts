import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { closeSpoolFile, openNamelessFile } from "../../../src/engine/spool-files.ts";
import { messageOf } from "../../../src/errors/fault.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { copyTar } from "../../../workers/tar/copy.ts";
import { tempTree } from "../files/temp-tree.ts";

export type Copied = { readonly tar: Buffer; readonly diffId: string } | { readonly error: string };

export async function copied(blob: Uint8Array, digest = digestOf(blob)): Promise<Copied> {
  const directory = tempTree({ blob });
  const spool = await openNamelessFile(directory);
  try {
    const tarSize = await copyTar({ path: join(directory, "blob"), digest }, spool);
    const tar = readFileSync(`/proc/self/fd/${spool.fileDescriptor}`);
    if (tar.length !== tarSize) throw new Error(`${tarSize} bytes were reported, ${tar.length} are there`);
    return { tar, diffId: `sha256:${createHash("sha256").update(tar).digest("hex")}` };
  } catch (error) {
    return { error: messageOf(error) };
  } finally {
    await closeSpoolFile(spool.fileDescriptor);
  }
}
