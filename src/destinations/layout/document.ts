import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { Fault } from "../../faults/fault.ts";
import { pathFault } from "../../faults/system-error.ts";
import { MAX_DOCUMENT_BYTES } from "../../oci/manifest.ts";

/** O_NONBLOCK: a FIFO in the place of a file must not be waited for; it does nothing to a regular file. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads an index, a manifest or a config of a layout: a regular file of at most {@link MAX_DOCUMENT_BYTES}.
 * @throws Fault `open <path>: ...`, and for anything that is no such file
 */
export async function readDocument(path: string): Promise<Buffer> {
  const file = await open(path, FLAGS).catch((error: unknown) => {
    throw pathFault("EXPORT_LAYOUT_READ", "open", path, error);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw unreadable(path, "is not a regular file");
    if (found.size > MAX_DOCUMENT_BYTES) throw unreadable(path, `has more than ${MAX_DOCUMENT_BYTES} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function unreadable(path: string, what: string): Fault {
  return new Fault("EXPORT_LAYOUT_READ", `${path} ${what}`);
}
