import { bytesText, durationText, percentText, speedText } from "../quantities.ts";
import type { DestinationProgress } from "./destination-progress.ts";
import type { LayerProgress } from "./layer-progress.ts";

/** What the lines of progress begin with. None of the reference's do, and none holds the words that platforms look for. */
const START = "Progress:";

/**
 * Lines of a log that say how far an export is: one for each destination that something is left to send to, or one about layers
 * while nothing can be sent yet.
 */
export function progressLines(
  destinations: readonly DestinationProgress[],
  layers: readonly LayerProgress[],
  elapsedMs: number,
): string[] {
  const moving = destinations.filter(({ isDone, expectedBytes }) => !isDone && expectedBytes > 0);
  if (moving.length > 0) return moving.map((one) => `${START} ${destinationText(one)}`);
  const busy = layers.filter(({ doing }) => doing !== "waiting");
  const rest = layers.length - busy.length;
  const more = rest === 0 ? "" : `, ${rest} to come`;
  const names = busy.map(({ id, doing, fraction }) => `${doing} ${id} ${percentText(fraction)}`);
  const what = names.length === 0 ? "waiting for the other side" : names.join(", ");
  return [`${START} ${what}${more}, ${durationText(elapsedMs)} so far`];
}

function destinationText(progress: DestinationProgress): string {
  const { destination, fraction, sentBytes, expectedBytes, bytesPerSecond, secondsLeft } = progress;
  const bytes = `${bytesText(sentBytes)} of ${bytesText(expectedBytes)}`;
  const left = secondsLeft === undefined ? "waiting" : `${durationText(secondsLeft * 1000)} left`;
  return `${destination} ${percentText(fraction)}, ${bytes}, ${speedText(bytesPerSecond)}, ${left}`;
}
