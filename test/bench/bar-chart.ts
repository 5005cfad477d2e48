import { drawDocument, line, MARGIN, type Part, rect, type Tint, text, tickStep, trim, WIDTH } from "./svg.ts";

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
  readonly kind: Tint;
  readonly bars: readonly Bar[];
}

/** Groups of bars on one scale. */
export interface Panel {
  readonly title: string;
  readonly series: readonly [string, string];
  readonly groups: readonly BarGroup[];
}

const [LEFT, RIGHT] = [262, 96] as const;
const BAR_HEIGHT = 13;
const GROUP_GAP = 12;

/** Draws horizontal bars with their range over the runs, one panel below the other. @returns an SVG document */
export function drawBarChart(title: string, subtitle: string, panels: readonly Panel[]): string {
  return drawDocument(
    title,
    subtitle,
    panels.map((panel) => (top) => drawPanel(panel, top)),
  );
}

function drawPanel({ title, series, groups }: Panel, top: number): Part {
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
