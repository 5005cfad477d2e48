import { writeFileSync } from "node:fs";
import { withoutSecrets } from "../../faults/secrets.ts";
import { pathFault } from "../../faults/system-error.ts";
import type { Timeline } from "./timeline.ts";
import { traceEvents } from "./trace-events.ts";

/** Where a page has its timeline. */
const PLACE = "<!-- timeline -->";

/**
 * Writes a timeline: to a path that ends in `.json` in Chrome's trace event format, else as a page that needs nothing else.
 * @param page the page without a timeline
 * @throws Fault `open <path>: ...`
 */
export function writeTimeline(path: string, timeline: Timeline, page: () => string): void {
  const text = path.endsWith(".json") ? JSON.stringify(traceEvents(timeline)) : timelineHtml(timeline, page());
  try {
    writeFileSync(path, withoutSecrets(text));
  } catch (error) {
    throw pathFault("EXPORT_REPORT_TIMELINE", "open", path, error, { hint: "Give a writable file with -timeline." });
  }
}

/** @param page with a comment where the timeline belongs */
export function timelineHtml(timeline: Timeline, page: string): string {
  // Nothing in a name may end the element.
  const data = JSON.stringify(timeline).replaceAll("<", "\\u003c");
  return page.replace(PLACE, () => `<script type="application/json" id="timeline">${data}</script>`);
}
