import type { Entrant } from "./contender.ts";

/** Whose colour something has. */
export type Tint = Entrant["kind"];

/** Of all pictures, in pixels: the whole, and from its edge to the titles. */
export const [WIDTH, MARGIN] = [860, 24] as const;

/** The picture has its own ground, so that its colours are right wherever it stands; they follow the reader's theme. */
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

/** A part of a picture and how much of its height it takes. */
export interface Part {
  readonly svg: string;
  readonly height: number;
}

/** A picture with a title and parts, one below the other. @returns an SVG document */
export function drawDocument(title: string, subtitle: string, parts: readonly ((top: number) => Part)[]): string {
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

/** 1, 2 or 5 times a power of ten, so that there are up to about six of them. */
export function tickStep(most: number): number {
  const rough = Math.max(most, 0.01) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

/** A number with three digits. */
export function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function text(x: number, y: number, value: string, style: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${style}">${escapeXml(value)}</text>`;
}

export function rect(style: string, x: number, y: number, width: number, height: number): string {
  return `<rect class="${style}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" rx="2"/>`;
}

export function line(style: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${style}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;
}

export function polyline(style: string, points: readonly (readonly [x: number, y: number])[]): string {
  return `<polyline class="${style}" points="${points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ")}"/>`;
}

export function dot(style: string, x: number, y: number): string {
  return `<circle class="${style}" cx="${round(x)}" cy="${round(y)}" r="3.5"/>`;
}

function escapeXml(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
