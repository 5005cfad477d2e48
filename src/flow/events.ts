import type { z } from "zod";
import type { exportEventSchema } from "./event-schema.ts";

/**
 * What happens during an export, for platforms and tools. Times are in ms since the export began, sizes in bytes. One
 * object a line is written for `-events`; members are only ever added.
 */
export type ExportEvent = z.infer<typeof exportEventSchema>;

/** An event before it is known when it happened. */
export type EventBody = ExportEvent extends infer Event
  ? Event extends ExportEvent
    ? Omit<Event, "elapsedMs">
    : never
  : never;

export type EventSink = (event: ExportEvent) => void;
