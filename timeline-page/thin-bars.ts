import type { Pen } from "./draw.ts";
import type { Bar, Colour } from "./rows.ts";

/** Where something is drawn, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** However little there is of something, it can be seen. */
const LEAST_ALPHA = 0.3;

/** How strong the colour is of a place of which so much is taken. */
export function alphaOf(taken: number): number {
  return Math.min(1, Math.max(LEAST_ALPHA, taken));
}

interface Column {
  readonly box: Box;
  readonly colour: Colour;
  /** How much of the pixel is taken, 0 to 1 and more. */
  taken: number;
}

/** Bars of a lane that are thinner than a pixel: those in one column of pixels are drawn at once. */
export class ThinBars {
  readonly #pen: Pen;
  readonly #columns = new Map<string, Column>();

  constructor(pen: Pen) {
    this.#pen = pen;
  }

  /** Bars come from left to right. */
  add({ colour, density = 1 }: Bar, box: Box): void {
    const x = Math.floor(box.x);
    const track = `${colour} ${box.y}`;
    const column = this.#columns.get(track);
    if (column?.box.x === x) {
      column.taken += box.width * density;
      return;
    }
    if (column !== undefined) this.#draw(column);
    this.#columns.set(track, { box: { ...box, x, width: 1 }, colour, taken: box.width * density });
  }

  flush(): void {
    for (const column of this.#columns.values()) this.#draw(column);
    this.#columns.clear();
  }

  #draw({ box, colour: name, taken }: Column): void {
    const { canvas, colour } = this.#pen;
    canvas.globalAlpha = alphaOf(taken);
    canvas.fillStyle = colour(name);
    canvas.fillRect(box.x, box.y, box.width, box.height);
    canvas.globalAlpha = 1;
  }
}
