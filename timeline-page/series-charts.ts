import { speedText } from "../src/report/quantities.ts";
import type { Timeline } from "../src/report/timeline/timeline.ts";
import type { Chart, Colour } from "./rows.ts";

/** Speeds are those of so many samples, since registries take bytes in gulps. */
const SMOOTH = 5;

const QUEUE_COLOURS: Readonly<Record<string, Colour>> = { layers: "text", blocks: "compress", uploads: "app" };

/** How many wait at each queue. */
export function queueChart({ samples }: Timeline): Chart {
  const lines = Object.entries(samples.queues).map(([name, values]) => {
    return { name: `${name} that wait`, colour: QUEUE_COLOURS[name] ?? "way", values } as const;
  });
  return chart(samples.times, lines, (value) => String(Math.round(value)));
}

/** How fast bytes are sent to each destination. */
export function speedChart({ samples, uploads }: Timeline): Chart {
  const { times } = samples;
  const lines = Object.entries(samples.sent).map(([name, bytes]) => {
    const colour: Colour = uploads.find(({ destination }) => destination === name)?.image ?? "app";
    const values = bytes.map((value, i) => {
      const from = Math.max(0, i - SMOOTH);
      const seconds = ((times[i] ?? 0) - (times[from] ?? 0)) / 1000;
      return seconds > 0 ? Math.max(0, value - (bytes[from] ?? 0)) / seconds : 0;
    });
    return { name, colour, values };
  });
  return chart(times, lines, speedText);
}

function chart(times: Chart["times"], lines: Chart["lines"], format: Chart["format"]): Chart {
  const most = lines.reduce((all, { values }) => values.reduce((highest, value) => Math.max(highest, value), all), 0);
  return { times, lines, most, format };
}
