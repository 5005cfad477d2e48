import type { Entrant } from "./contender.ts";

/** One bar. Values are in seconds. */
export interface Bar {
  /** The first or the second series of the panel, which the legend names. */
  readonly series: 0 | 1;
  readonly value: number;
  readonly least: number;
  readonly most: number;
}

export interface BarGroup {
  readonly label: string;
  readonly kind: Entrant["kind"];
  readonly bars: readonly Bar[];
}

/** Groups of bars on one scale. */
export interface Panel {
  readonly title: string;
  readonly series: readonly [string, string];
  readonly groups: readonly BarGroup[];
}

const [WIDTH, LEFT, RIGHT, MARGIN] = [860, 262, 96, 24] as const;
const BAR_HEIGHT = 13;
const GROUP_GAP = 12;

/** The picture has its own ground, so that its colours are right wherever it stands; they follow the reader's theme. */
const STYLE = `
  :root { --ground: #ffffff; --text: #1f2328; --quiet: #656d76; --line: #d8dee4; --tandem: #0a7d70; --reference: #c05a12; --peer: #6f5bc4; --floor: #7d8590; }
  @media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #e6edf3; --quiet: #8d96a0; --line: #30363d; --tandem: #2dc5b0; --reference: #f0883e; --peer: #a894f0; --floor: #8b949e; } }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--text); }
  .title { font-size: 16px; font-weight: 600; } .panel { font-size: 13px; font-weight: 600; }
  .quiet { fill: var(--quiet); } .end { text-anchor: end; } .middle { text-anchor: middle; }
  .ground { fill: var(--ground); stroke: var(--line); } .grid { stroke: var(--line); } .spread { stroke: var(--text); }
  .tandem { fill: var(--tandem); } .reference { fill: var(--reference); } .peer { fill: var(--peer); } .floor { fill: var(--floor); }
  .second { opacity: 0.45; }`;

/** Draws horizontal bars with their range over the runs, one panel below the other. @returns an SVG document */
export function drawBarChart(title: string, subtitle: string, panels: readonly Panel[]): string {
  const parts = [text(MARGIN, 34, title, "title"), text(MARGIN, 54, subtitle, "quiet")];
  let top = 74;
  for (const panel of panels) {
    const drawn = drawPanel(panel, top);
    parts.push(drawn.svg);
    top += drawn.height;
  }
  const height = top + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escapeXml(`${title}: ${subtitle}`)}</title>
<style>${STYLE}
</style>
<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${parts.join("\n")}
</svg>
`;
}

function drawPanel({ title, series, groups }: Panel, top: number): { svg: string; height: number } {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map((bar) => bar.most)));
  const step = tickStep(most);
  const scale = (WIDTH - LEFT - RIGHT) / (most === 0 ? 1 : most);
  const first = top + 40;
  const rows: string[] = [];
  let y = first;
  for (const { label, kind, bars } of groups) {
    rows.push(text(LEFT - 10, y + (bars.length * BAR_HEIGHT) / 2 + 4, label, "end"));
    for (const bar of bars) {
      rows.push(drawBar(bar, kind, y, scale));
      y += BAR_HEIGHT + 1;
    }
    y += GROUP_GAP;
  }
  const bottom = y - GROUP_GAP + 4;
  const grid: string[] = [];
  for (let tick = 0; tick <= most; tick += step) {
    const x = LEFT + tick * scale;
    grid.push(line("grid", x, first - 6, x, bottom), text(x, bottom + 14, `${trim(tick)} s`, "quiet middle"));
  }
  const head = [text(MARGIN, top + 18, title, "panel"), ...legend(series, top + 18)];
  return { svg: [...head, ...grid, ...rows].join("\n"), height: bottom + 36 - top };
}

function drawBar({ series, value, least, most }: Bar, kind: string, y: number, scale: number): string {
  const end = LEFT + value * scale;
  const middle = y + BAR_HEIGHT / 2;
  const bar = rect(`${kind}${series === 1 ? " second" : ""}`, LEFT, y, value * scale, BAR_HEIGHT);
  const spread = least === most ? "" : line("spread", LEFT + least * scale, middle, LEFT + most * scale, middle);
  return bar + spread + text(Math.max(end, LEFT + most * scale) + 6, y + BAR_HEIGHT - 2, `${trim(value)} s`, "quiet");
}

function legend(series: readonly [string, string], y: number): string[] {
  return series.flatMap((name, i) => {
    const x = WIDTH - RIGHT - 230 + i * 160;
    return [rect(i === 0 ? "tandem" : "tandem second", x, y - 10, 11, 11), text(x + 17, y, name, "quiet")];
  });
}

/** 1, 2 or 5 times a power of ten, so that there are up to about six of them. */
function tickStep(most: number): number {
  const rough = Math.max(most, 0.01) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function escapeXml(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
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

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
