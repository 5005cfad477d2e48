import { dot, drawDocument, line, MARGIN, type Part, polyline, type Tint, text, tickStep, trim, WIDTH } from "./svg.ts";

/** One line. Points are [x, y]. */
export interface Line {
  readonly label: string;
  readonly tint: Tint;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Lines on one pair of scales. */
export interface LinePanel {
  readonly title: string;
  /** What the numbers below count. */
  readonly xLabel: string;
  /** What the numbers at the left are. */
  readonly unit: string;
  /** Both scales are logarithmic, or only the lower one. */
  readonly scales: "log-log" | "log-linear";
  readonly lines: readonly Line[];
}

const [LEFT, RIGHT, HEIGHT] = [70, 210, 190] as const;

/** Draws lines over a logarithmic scale, one panel below the other. @returns an SVG document */
export function drawLineChart(title: string, subtitle: string, panels: readonly LinePanel[]): string {
  return drawDocument(
    title,
    subtitle,
    panels.map((panel) => (top) => drawPanel(panel, top)),
  );
}

function drawPanel({ title, xLabel, unit, scales, lines }: LinePanel, top: number): Part {
  const points = lines.flatMap((one) => one.points);
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const [least, most] = [xs[0] ?? 1, xs.at(-1) ?? 1];
  const first = top + 36;
  const bottom = first + HEIGHT;
  const right = WIDTH - RIGHT;
  const toX = (x: number): number => LEFT + share(Math.log(x), Math.log(least), Math.log(most)) * (right - LEFT);
  const vertical = scales === "log-log" ? powerScale(points) : plainScale(points);
  const toY = (y: number): number => bottom - vertical.share(y) * HEIGHT;
  const svg = [
    text(MARGIN, top + 18, title, "panel"),
    ...vertical.ticks.flatMap((tick) => [
      line("grid", LEFT, toY(tick), right, toY(tick)),
      text(LEFT - 8, toY(tick) + 4, `${trim(tick)} ${unit}`, "quiet end"),
    ]),
    ...xs.map((x) => text(toX(x), bottom + 18, x.toLocaleString("en"), "quiet middle")),
    text((LEFT + right) / 2, bottom + 36, xLabel, "quiet middle"),
    ...lines.map(({ tint, points: ofLine }) =>
      polyline(
        tint,
        ofLine.map(([x, y]) => [toX(x), toY(y)]),
      ),
    ),
    ...lines.flatMap(({ tint, points: ofLine }) => ofLine.map(([x, y]) => dot(tint, toX(x), toY(y)))),
    ...labels(lines, right, toY),
  ];
  return { svg: svg.join("\n"), height: bottom + 56 - top };
}

/** At the end of each line, moved apart where they would overlap. */
function labels(lines: readonly Line[], right: number, toY: (y: number) => number): string[] {
  const ends = lines.map(({ label, tint, points }) => ({ label, tint, y: toY(points.at(-1)?.[1] ?? 0) + 4 }));
  ends.sort((a, b) => a.y - b.y);
  let free = Number.NEGATIVE_INFINITY;
  return ends.flatMap(({ label, tint, y }) => {
    const at = Math.max(y, free);
    free = at + 15;
    return [dot(tint, right + 22, at - 4), text(right + 32, at, label, "")];
  });
}

interface Scale {
  readonly ticks: readonly number[];
  share(value: number): number;
}

type Points = readonly (readonly [number, number])[];

function plainScale(points: Points): Scale {
  const most = Math.max(...points.map(([, y]) => y));
  const step = tickStep(most);
  const end = Math.ceil(most / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return { ticks, share: (value) => value / end };
}

function powerScale(points: Points): Scale {
  const powers = points.map(([, y]) => Math.log10(y));
  const [low, high] = [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers))];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { ticks, share: (value) => share(Math.log10(value), low, high) };
}

function share(value: number, from: number, to: number): number {
  return to === from ? 0.5 : (value - from) / (to - from);
}
