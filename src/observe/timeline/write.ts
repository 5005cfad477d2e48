import { withoutSecrets } from "../../errors/secrets.ts";
import { wellFormed } from "../../go/byte-string.ts";
import { operationOf, pathFault } from "../../go/errno.ts";
import { writeDocument } from "../../report/output.ts";
import type { Timeline } from "./timeline.ts";
import { traceEvents } from "./trace-events.ts";

const PLACE = "<!-- timeline -->";

/**
 * Writes a timeline: to a path that ends in `.json` in Chrome's trace event format, else as a self-contained page.
 * @param page the page without a timeline
 * @param timeoutMs how long to wait for the reader of a FIFO
 * @throws Fault `open <path>: ...` or `write <path>: ...`
 */
export async function writeTimeline(
  path: string,
  timeline: Timeline,
  page: () => string,
  timeoutMs: number,
): Promise<void> {
  const text = path.endsWith(".json")
    ? JSON.stringify(traceEvents(timeline), wellFormed)
    : timelineHtml(timeline, page());
  try {
    await writeDocument(path, withoutSecrets(text), { timeoutMs });
  } catch (error) {
    throw pathFault("EXPORT_REPORT_TIMELINE", operationOf(error), path, error);
  }
}

export function timelineHtml(timeline: Timeline, page: string): string {
  // Nothing in a name may end the element.
  const data = JSON.stringify(timeline, wellFormed).replaceAll("<", "\\u003c");
  return page.replace(PLACE, () => `<script type="application/json" id="timeline">${data}</script>`);
}
