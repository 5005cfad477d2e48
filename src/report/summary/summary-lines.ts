import { bytesText, durationText, percentText } from "../quantities.ts";
import type { HeldUp } from "./activity.ts";
import { advice, type Setup } from "./advice.ts";
import type { Summary } from "./summarize.ts";

/** Below this part of the time, nothing in particular held the export up. */
const LEAST_PART = 0.3;

/** The last lines of a log, for people. No line of the reference's begins like them. */
export function summaryLines(summary: Summary, setup: Setup): string[] {
  const { made, reused, readBytes, tarBytes, compressedBytes, sentBytes, appReadyMs, totalMs, heldUp } = summary;
  const compressed = tarBytes === 0 ? "" : `, compressed ${bytesText(tarBytes)} to ${bytesText(compressedBytes)}`;
  const ready = appReadyMs === undefined ? "" : `app image ready after ${durationText(appReadyMs)}, `;
  const hint = advice(summary, setup);
  const held = heldUp !== undefined && heldUp.part >= LEAST_PART ? heldUpText(heldUp) : "";
  const last = [held, hint].filter((text) => text !== "").join("; ");
  return [
    `${made} ${made === 1 ? "layer" : "layers"} made, ${reused} reused; read ${bytesText(readBytes)}${compressed}, sent ${bytesText(sentBytes)}`,
    `${ready}all done after ${durationText(totalMs)}`,
    ...(last === "" ? [] : [last]),
  ].map((line) => `Summary: ${line}`);
}

function heldUpText({ holdup, part }: HeldUp): string {
  const time = `${percentText(part)} of the time`;
  switch (holdup.kind) {
    case "cores":
      return `the cores were the limit ${time}`;
    case "disk":
      return `reading from the disk was the limit ${time}`;
    case "destination":
      return `${holdup.destination} was the limit ${time}`;
    case "answers":
      return `waited for answers ${time}`;
  }
}
