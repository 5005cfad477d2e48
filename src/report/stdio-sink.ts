import { destination } from "pino";
import type { LineSink } from "./log.ts";

/**
 * Standard output or error as a sink that writes before it returns: it waits when a pipe is full, and goes silent when the
 * reader is gone.
 */
export function stdioSink(fd: 1 | 2): LineSink {
  return destination({ dest: fd, sync: true });
}
