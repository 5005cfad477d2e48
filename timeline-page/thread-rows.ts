import type { ThreadSpan, Timeline } from "../src/report/timeline/timeline.ts";
import type { Bar, Row } from "./rows.ts";
import { rangeText, timeText } from "./text.ts";

const HEIGHT = 20;

/** A lane for each thread. */
export function threadRows({ lanes, spans, layers }: Timeline): Row[] {
  return lanes.flatMap(({ name, group }, lane): Row[] => {
    if (group !== "threads") return [];
    const bars = spans
      .filter(([own]) => own === lane)
      .flatMap((span) => barsOf(span, layers[span[1]]?.id ?? "several layers"));
    return [{ kind: "lane", label: name, bars, height: HEIGHT }];
  });
}

/** Blocks are read and compressed in turn; in merged spans, the share of reading is shown first. */
export function barsOf([, , kind, startMs, durationMs, busyMs, readMs, blocks]: ThreadSpan, layer: string): Bar[] {
  const endMs = startMs + durationMs;
  const details = () => [
    layer,
    kind === "make" ? `read ${timeText(readMs)}, compress ${timeText(busyMs - readMs)}` : STEPS[kind],
    `${blocks} MiB block${blocks === 1 ? "" : "s"}`,
    rangeText(startMs, endMs),
  ];
  const density = durationMs === 0 ? 1 : busyMs / durationMs;
  const whole = { startMs, endMs, top: 0, bottom: 1, density, details };
  if (kind === "diff-id") return [{ ...whole, colour: "hash" }];
  if (kind === "blob") return [{ ...whole, colour: "append" }];
  const turn = startMs + (busyMs === 0 ? 0 : (durationMs * readMs) / busyMs);
  return [
    { ...whole, endMs: turn, colour: "read" },
    { ...whole, startMs: turn, colour: "compress" },
  ];
}

const STEPS = { "diff-id": "hash of the tar", blob: "hash of the blob, and into the spool" } as const;
