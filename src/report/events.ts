import { closeSync, openSync, writeSync } from "node:fs";
import { withoutSecrets } from "../faults/secrets.ts";
import { pathFault } from "../faults/system-error.ts";
import type { ExportEvent } from "../flow/events.ts";

/** Takes events, until it is closed. */
export interface EventWriter {
  write(event: ExportEvent): void;
  close(): void;
}

const NOWHERE: EventWriter = { write: () => undefined, close: () => undefined };

/**
 * Appends one JSON object a line.
 * @param target a path, `fd:<number>` or a number for a file that is open already, or "" for nowhere
 * @throws Fault when the file cannot be opened
 */
export function openEvents(target: string): EventWriter {
  if (target === "") return NOWHERE;
  const descriptor = /^(?:fd:)?(\d+)$/.exec(target)?.[1];
  if (descriptor !== undefined) return writerTo(Number(descriptor), () => undefined);
  try {
    const file = openSync(target, "a");
    return writerTo(file, () => closeSync(file));
  } catch (error) {
    throw pathFault("EXPORT_REPORT_EVENTS", "open", target, error, { hint: "Give a writable file with -events." });
  }
}

/** Events of tasks that outlive a failed export are dropped: after close() the descriptor may belong to another file. */
function writerTo(file: number, release: () => void): EventWriter {
  let isOpen = true;
  return {
    write(event) {
      if (isOpen) writeSync(file, `${withoutSecrets(JSON.stringify(event))}\n`);
    },
    close() {
      isOpen = false;
      release();
    },
  };
}
