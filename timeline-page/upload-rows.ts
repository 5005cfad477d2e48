import { bytesText, speedText } from "../src/report/quantities.ts";
import type { Timeline, UploadSpan } from "../src/report/timeline/timeline.ts";
import type { Bar, Row } from "./rows.ts";
import { rangeText } from "./text.ts";

const HEIGHT = 20;

/** Lanes of each destination. */
export function uploadRows({ lanes, uploads, layers }: Timeline): Row[] {
  return lanes.flatMap(({ name, group }, lane): Row[] => {
    if (group !== "uploads") return [];
    // Once for all lanes of a destination.
    const label = lanes[lane - 1]?.name === name ? "" : name;
    const bars = uploads
      .filter((upload) => upload.lane === lane)
      .map((upload) => uploadBar(upload, layers[upload.layer]?.id, 0, 1));
    return [{ kind: "lane", label, bars, height: HEIGHT }];
  });
}

/** An upload's bar in the row of a destination or of a layer. */
export function uploadBar(upload: UploadSpan, layer: string | undefined, top: number, bottom: number): Bar {
  const { startMs, endMs, image, destination, sentBytes, outcome } = upload;
  const text = layer ?? "run image layer";
  const seconds = (endMs - startMs) / 1000;
  const details = () => [
    text,
    `${outcome === "failed" ? "not brought" : outcome} to ${destination}`,
    `${bytesText(sentBytes)}${seconds > 0 ? `, ${speedText(sentBytes / seconds)}` : ""}`,
    rangeText(startMs, endMs),
  ];
  return { startMs, endMs, colour: image, top, bottom, text, details };
}
