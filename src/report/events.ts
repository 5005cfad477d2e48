import { withoutSecrets } from "../faults/secrets.ts";
import { pathFault } from "../faults/system-error.ts";
import type { ExportEvent } from "../flow/events.ts";
import { type OpenedOutput, openOutput } from "./output.ts";
import { bytesText } from "./quantities.ts";

/** Takes events, until it is closed. */
export interface EventWriter {
  write(event: ExportEvent): void;
  /**
   * Waits for the reader until it has read nothing for `mostMs`.
   * @returns why events were lost; undefined if none were
   */
  close(mostMs: number): Promise<string | undefined>;
}

const NOWHERE: EventWriter = { write: () => undefined, close: async () => undefined };

/** How far a reader may be behind. An export of thousands of layers has fewer bytes of events. */
const MOST_PENDING_BYTES = 16 << 20;

/** How long a FIFO may be without a reader at the end. */
const MOST_UNOPENED_MS = 2_000;

/**
 * Writes one JSON object a line. Nothing waits for the reader, and no failure of a write ends the export.
 * @param target a path, the number of a descriptor that is open already, or "" for nowhere
 * @throws Fault when the file cannot be opened
 */
export function openEvents(target: string | number): EventWriter {
  if (target === "") return NOWHERE;
  const path = typeof target === "number" ? `fd:${target}` : target;
  try {
    return eventWriter(path, openOutput(target));
  } catch (error) {
    throw pathFault("EXPORT_REPORT_EVENTS", "open", path, error, { hint: "Give a writable file with -events." });
  }
}

function eventWriter(path: string, { output, close }: OpenedOutput): EventWriter {
  let failure: unknown;
  let lost = 0;
  let isOpen = true;
  return {
    write(event) {
      // Tasks may outlive a failed export, and the descriptor may belong to another file by then.
      if (!isOpen) return;
      failure ??= output.failure;
      // After a failure the file may end in half a line.
      if (failure !== undefined || output.pendingBytes > MOST_PENDING_BYTES) {
        lost += 1;
        return;
      }
      output.write(`${withoutSecrets(JSON.stringify(event))}\n`);
      failure = output.failure;
    },
    async close(mostMs) {
      const patienceMs = output.isWritable() ? mostMs : Math.min(mostMs, MOST_UNOPENED_MS);
      const isTaken = failure !== undefined || (await output.finish({ patienceMs }));
      failure ??= output.failure;
      isOpen = false;
      close();
      if (failure !== undefined) return pathFault("EXPORT_REPORT_EVENTS", "write", path, failure).message;
      if (!isTaken) return `write ${path}: nothing was read from it for ${patienceMs / 1000} s`;
      if (lost > 0)
        return `write ${path}: ${lost} were dropped, because its reader was ${bytesText(MOST_PENDING_BYTES)} behind`;
      return undefined;
    },
  };
}
