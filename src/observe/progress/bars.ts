import { styleText } from "node:util";
import cliTruncate from "cli-truncate";
import stringWidth from "string-width";
import { printableLine } from "../../errors/printable.ts";
import { bytesText, durationText, percentText, speedText } from "../quantities.ts";
import { type DestinationProgress, isMoving, type LayerProgress } from "./meters.ts";

export interface BarStyle {
  readonly isColored: boolean;
  readonly isUnicode: boolean;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const BAR = 20;
const DOING = 11;
const SIZE = 8;
const PERCENT = 4;
const SPEED = 10;
const LEFT = 12;

const MIN_NAME = 16;

const MAX_LAYERS = 16;

interface Line {
  readonly name: string;
  readonly columns: readonly string[];
}

/**
 * Draws one line per layer and below them one per destination. Every line is narrower than the terminal, and there are
 * fewer lines than rows.
 */
export function drawBars(
  layers: readonly LayerProgress[],
  destinations: readonly DestinationProgress[],
  { columns, rows }: ScreenSize,
  style: BarStyle,
): string {
  const below = destinations
    .filter(isMoving)
    .map((one) => destinationLine(one, style))
    .slice(0, Math.max(0, rows - 2));
  const room = Math.max(0, Math.min(MAX_LAYERS, rows - 2 - below.length));
  const shown = layers.slice(0, layers.length > room ? Math.max(0, room - 1) : room);
  const lines = [...shown.map((layer) => layerLine(layer, style)), ...below];
  // Some terminals wrap after a write to the last column.
  const texts = layOut(lines, Math.max(1, columns - 1), style);
  const more = layers.length - shown.length;
  const ellipsis = `... and ${more} more layers`.slice(0, Math.max(1, columns - 1));
  if (more > 0 && room > 0) texts.splice(shown.length, 0, dim(ellipsis, style));
  return texts.join("\n");
}

function layOut(lines: readonly Line[], width: number, { isUnicode }: BarStyle): string[] {
  const longest = Math.max(0, ...lines.map(({ name }) => stringWidth(name)));
  const widthOf = (count: number) =>
    Math.max(
      0,
      ...lines.map(({ columns }) => columns.slice(0, count).reduce((sum, text) => sum + 1 + stringWidth(text), 0)),
    );
  let count = Math.max(0, ...lines.map(({ columns }) => columns.length));
  while (count > 0 && width - widthOf(count) < Math.min(longest, MIN_NAME)) count -= 1;
  const nameWidth = Math.max(1, Math.min(longest, width - widthOf(count)));
  return lines.map(({ name, columns }) => {
    const short = cliTruncate(name, nameWidth, {
      position: "start",
      truncationCharacter: isUnicode ? "…" : "~",
    });
    const padding = " ".repeat(Math.max(0, nameWidth - stringWidth(short)));
    return [`${short}${padding}`, ...columns.slice(0, count)].join(" ").trimEnd();
  });
}

function layerLine({ id, tarSize, doing, fraction, bytesPerSecond }: LayerProgress, style: BarStyle): Line {
  const size = tarSize === undefined ? "" : bytesText(tarSize);
  const columns = [percentText(fraction).padStart(PERCENT), doing.padEnd(DOING), size.padStart(SIZE)];
  if (doing === "waiting") return { name: printableLine(id), columns: ["".padStart(PERCENT), ...columns.slice(1)] };
  return {
    name: printableLine(id),
    columns: [...columns, bar(fraction, "cyan", style), speedText(bytesPerSecond).padStart(SPEED)],
  };
}

function destinationLine(progress: DestinationProgress, style: BarStyle): Line {
  const { destination, image, fraction, sentBytes, bytesPerSecond, secondsLeft } = progress;
  const left = secondsLeft === undefined ? "" : `${durationText(secondsLeft * 1000)} left`;
  return {
    name: `${style.isUnicode ? "→" : ">"} ${printableLine(destination)}`,
    columns: [
      percentText(fraction).padStart(PERCENT),
      `${image === "app" ? "app" : "cache"} image`.padEnd(DOING),
      bytesText(sentBytes).padStart(SIZE),
      bar(fraction, image === "app" ? "green" : "yellow", style),
      speedText(bytesPerSecond).padStart(SPEED),
      left.padStart(LEFT),
    ],
  };
}

function bar(fraction: number, color: "cyan" | "green" | "yellow", style: BarStyle): string {
  const filled = Math.round(fraction * BAR);
  const [full, empty] = style.isUnicode ? ["━", "─"] : ["#", "."];
  const head = full.repeat(filled);
  return `${style.isColored ? styleText(color, head, { validateStream: false }) : head}${dim(empty.repeat(BAR - filled), style)}`;
}

function dim(text: string, { isColored }: BarStyle): string {
  return isColored ? styleText("dim", text, { validateStream: false }) : text;
}
