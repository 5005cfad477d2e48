import type { ContenderInfo } from "../run/contender.ts";

/** The color of a contender's kind. */
type Tint = ContenderInfo["kind"];

/** Width of every picture and margin of its titles, in pixels. */
const [WIDTH, MARGIN] = [860, 24] as const;

/** Pictures have a background of their own and follow the reader's color scheme. */
const STYLE = `
  :root { --ground: #ffffff; --text: #1f2328; --quiet: #656d76; --line: #d8dee4; --tandem: #0a7d70; --reference: #c05a12; --peer: #6f5bc4; --floor: #7d8590; }
  @media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #e6edf3; --quiet: #8d96a0; --line: #30363d; --tandem: #2dc5b0; --reference: #f0883e; --peer: #a894f0; --floor: #8b949e; } }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--text); }
  .title { font-size: 16px; font-weight: 600; } .panel { font-size: 13px; font-weight: 600; }
  .quiet { fill: var(--quiet); } .end { text-anchor: end; } .middle { text-anchor: middle; }
  .ground { fill: var(--ground); stroke: var(--line); } .grid { stroke: var(--line); } .spread { stroke: var(--text); }
  .tandem { fill: var(--tandem); } .reference { fill: var(--reference); } .peer { fill: var(--peer); } .floor { fill: var(--floor); }
  polyline { stroke-width: 2; } polyline.tandem { stroke: var(--tandem); } polyline.reference { stroke: var(--reference); }
  polyline.peer { stroke: var(--peer); } polyline.floor { stroke: var(--floor); stroke-dasharray: 4 4; }
  polyline[class] { fill: none; }
  .second { opacity: 0.45; }`;

/** A part of a picture, with its height in pixels. */
interface Part {
  readonly svg: string;
  readonly height: number;
}

/** Stacks parts below a title. @returns an SVG document */
function drawDocument(title: string, subtitle: string, parts: readonly ((top: number) => Part)[]): string {
  const drawn = [text(MARGIN, 34, title, "title"), text(MARGIN, 54, subtitle, "quiet")];
  let top = 74;
  for (const part of parts) {
    const { svg, height } = part(top);
    drawn.push(svg);
    top += height;
  }
  const height = top + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escapeXml(`${title}: ${subtitle}`)}</title>
<style>${STYLE}
</style>
<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${drawn.join("\n")}
</svg>
`;
}

/** 1, 2 or 5 times a power of ten, which gives about six ticks or fewer. */
function tickStep(most: number): number {
  const rough = Math.max(most, 0.01) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

/** Formats a number with three significant digits. */
function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function text(x: number, y: number, value: string, style: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${style}">${escapeXml(value)}</text>`;
}

function rect(style: string, x: number, y: number, width: number, height: number): string {
  return `<rect class="${style}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" rx="2"/>`;
}

function line(style: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${style}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;
}

function polyline(style: string, points: readonly (readonly [x: number, y: number])[]): string {
  return `<polyline class="${style}" points="${points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ")}"/>`;
}

function dot(style: string, x: number, y: number): string {
  return `<circle class="${style}" cx="${round(x)}" cy="${round(y)}" r="3.5"/>`;
}

function escapeXml(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** One bar. Values are in seconds. */
export interface Bar {
  readonly tint: Tint;
  /** Drawn paler, as the second series of a panel. */
  readonly isSecond: boolean;
  readonly value: number;
  readonly least: number;
  readonly most: number;
}

export interface BarGroup {
  readonly label: string;
  readonly bars: readonly Bar[];
}

/** Groups of bars on one scale. */
export interface BarPanel {
  readonly title: string;
  readonly legend: readonly [LegendEntry, LegendEntry];
  readonly groups: readonly BarGroup[];
}

interface LegendEntry extends Pick<Bar, "tint" | "isSecond"> {
  readonly label: string;
}

const [BARS_LEFT, BARS_RIGHT] = [262, 96] as const;
const BAR_HEIGHT = 13;
const GROUP_GAP = 12;

/** Draws horizontal bars with their range over the runs, one panel below the other. @returns an SVG document */
export function drawBarChart(title: string, subtitle: string, panels: readonly BarPanel[]): string {
  return drawDocument(
    title,
    subtitle,
    panels.map((panel) => (top) => drawBarPanel(panel, top)),
  );
}

/** A legend for two series of every contender: full color and paler. */
export function seriesLegend(first: string, second: string): BarPanel["legend"] {
  return [
    { label: first, tint: "tandem", isSecond: false },
    { label: second, tint: "tandem", isSecond: true },
  ];
}

function drawBarPanel({ title, legend, groups }: BarPanel, top: number): Part {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map((bar) => bar.most)));
  const step = tickStep(most);
  const scale = (WIDTH - BARS_LEFT - BARS_RIGHT) / (most === 0 ? 1 : most);
  const first = top + 40;
  const rows: string[] = [];
  let y = first;
  for (const { label, bars } of groups) {
    rows.push(text(BARS_LEFT - 10, y + (bars.length * BAR_HEIGHT) / 2 + 4, label, "end"));
    for (const bar of bars) {
      rows.push(drawBar(bar, y, scale));
      y += BAR_HEIGHT + 1;
    }
    y += GROUP_GAP;
  }
  const bottom = y - GROUP_GAP + 4;
  const grid: string[] = [];
  for (let tick = 0; tick <= most; tick += step) {
    const x = BARS_LEFT + tick * scale;
    grid.push(line("grid", x, first - 6, x, bottom), text(x, bottom + 14, `${trim(tick)} s`, "quiet middle"));
  }
  const head = [text(MARGIN, top + 18, title, "panel"), ...drawLegend(legend, top + 18)];
  return { svg: [...head, ...grid, ...rows].join("\n"), height: bottom + 36 - top };
}

function drawBar({ tint, isSecond, value, least, most }: Bar, y: number, scale: number): string {
  const end = BARS_LEFT + value * scale;
  const middle = y + BAR_HEIGHT / 2;
  const bar = rect(barStyle({ tint, isSecond }), BARS_LEFT, y, value * scale, BAR_HEIGHT);
  const spread =
    least === most ? "" : line("spread", BARS_LEFT + least * scale, middle, BARS_LEFT + most * scale, middle);
  const label = text(Math.max(end, BARS_LEFT + most * scale) + 6, y + BAR_HEIGHT - 2, `${trim(value)} s`, "quiet");
  return bar + spread + label;
}

function drawLegend(entries: BarPanel["legend"], y: number): string[] {
  return entries.flatMap(({ label, ...style }, i) => {
    const x = WIDTH - BARS_RIGHT - 230 + i * 160;
    return [rect(barStyle(style), x, y - 10, 11, 11), text(x + 17, y, label, "quiet")];
  });
}

function barStyle({ tint, isSecond }: Pick<Bar, "tint" | "isSecond">): string {
  return `${tint}${isSecond ? " second" : ""}`;
}

/** One line. Points are [x, y]. */
interface Line {
  readonly label: string;
  readonly tint: Tint;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Lines on one pair of axes. */
export interface LinePanel {
  readonly title: string;
  /** Unit of the x axis. */
  readonly xLabel: string;
  /** Unit of the y axis. */
  readonly unit: string;
  /** Scales of the y axis and the x axis. */
  readonly scales: "log-log" | "linear-log";
  readonly lines: readonly Line[];
}

const [PLOT_LEFT, PLOT_RIGHT, PLOT_HEIGHT] = [70, 210, 190] as const;

/** Draws lines over a logarithmic x axis, one panel below the other. @returns an SVG document */
export function drawLineChart(title: string, subtitle: string, panels: readonly LinePanel[]): string {
  return drawDocument(
    title,
    subtitle,
    panels.map((panel) => (top) => drawLinePanel(panel, top)),
  );
}

function drawLinePanel({ title, xLabel, unit, scales, lines }: LinePanel, top: number): Part {
  const points = lines.flatMap((one) => one.points);
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const [least, most] = [xs[0] ?? 1, xs.at(-1) ?? 1];
  const first = top + 36;
  const bottom = first + PLOT_HEIGHT;
  const right = WIDTH - PLOT_RIGHT;
  const toX = (x: number): number =>
    PLOT_LEFT + share(Math.log(x), Math.log(least), Math.log(most)) * (right - PLOT_LEFT);
  const vertical = scales === "log-log" ? powerScale(points) : plainScale(points);
  const toY = (y: number): number => bottom - vertical.share(y) * PLOT_HEIGHT;
  const svg = [
    text(MARGIN, top + 18, title, "panel"),
    ...vertical.ticks.flatMap((tick) => [
      line("grid", PLOT_LEFT, toY(tick), right, toY(tick)),
      text(PLOT_LEFT - 8, toY(tick) + 4, `${trim(tick)} ${unit}`, "quiet end"),
    ]),
    ...xs.map((x) => text(toX(x), bottom + 18, x.toLocaleString("en"), "quiet middle")),
    text((PLOT_LEFT + right) / 2, bottom + 36, xLabel, "quiet middle"),
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

/** Labels at the end of each line, moved apart where they would overlap. */
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
