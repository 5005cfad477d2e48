import { isSystemError } from "../src/go/errno.ts";

/** Between two tries, in ms. */
const PAUSE_MS = 10;

/** Longest wait for other parts of the export to close a file, in ms. */
const PATIENCE_MS = 10_000;

/**
 * Opens a file in a thread; waits while there are too many open files. Others of the process are closed all the time.
 * @throws what `open` throws
 */
export function waitForDescriptor<T>(open: () => T): T {
  for (let waitedMs = 0; ; waitedMs += PAUSE_MS) {
    try {
      return open();
    } catch (error) {
      const isTemporary = isSystemError(error) && (error.code === "EMFILE" || error.code === "ENFILE");
      if (!isTemporary || waitedMs >= PATIENCE_MS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
