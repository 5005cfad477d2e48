import { Writable } from "node:stream";
import { createLogUpdate } from "log-update";
import stringWidth from "string-width";
import type { LinePrinter, LineSink, OutputSink } from "../../report/output.ts";

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly isBehind: boolean;
  write(text: string): void;
  onResize(listener: () => void): () => void;
}

const UNKNOWN = { columns: 80, rows: 24 };

export function standardScreen(sink: OutputSink): Screen {
  const { stdout } = process;
  return {
    get columns() {
      return stdout.columns > 0 ? stdout.columns : UNKNOWN.columns;
    },
    get rows() {
      return stdout.rows > 0 ? stdout.rows : UNKNOWN.rows;
    },
    get isBehind() {
      return sink.pendingBytes > 0;
    },
    write: (text) => sink.write(text),
    onResize: (listener) => {
      stdout.on("resize", listener);
      return () => stdout.off("resize", listener);
    },
  };
}

/** A terminal shows the bytes between these at once, without flicker; terminals without support ignore them. */
const BEGIN_SYNC = "\u001b[?2026h";
const END_SYNC = "\u001b[?2026l";
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_LINE = "\u001b[2K";
const UP = "\u001b[1A";

/** A log that writes faster than this is not redrawn line by line: the frame reappears when it pauses. */
const MIN_REDRAW_MS = 16;

/**
 * Redraws a few lines at the bottom of a terminal, with the log above them, and erases them at the end. log-update
 * computes the changes between frames.
 */
export class Drawing implements LinePrinter {
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #frames: Frames;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #stopListening: () => void;
  #frame = "";
  #isShown = false;
  #printedMs = Number.NEGATIVE_INFINITY;
  #hasEnded = false;

  constructor(screen: Screen, now: () => number) {
    this.#screen = screen;
    this.#now = now;
    this.#frames = new Frames(screen);
    this.#update = createLogUpdate(this.#frames, { showCursor: true });
    this.#stopListening = screen.onResize(() => this.#resized());
    screen.write(HIDE_CURSOR);
  }

  draw(frame: string): void {
    if (this.#hasEnded || this.#screen.isBehind) return;
    this.#frame = frame;
    this.#show();
    this.#frames.flush();
  }

  print(lines: string, sink: LineSink, onScreen: boolean): void {
    this.#hide();
    if (onScreen) this.#frames.add(lines);
    else {
      this.#frames.flush();
      sink.write(lines);
    }
    const now = this.#now();
    if (now - this.#printedMs >= MIN_REDRAW_MS) this.#show();
    this.#printedMs = now;
    this.#frames.flush();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hide();
    this.#hasEnded = true;
    this.#stopListening();
    this.#frames.add(SHOW_CURSOR);
    this.#frames.flush();
  }

  #show(): void {
    if (this.#frame === "") this.#hide();
    else this.#update(this.#frame);
    this.#isShown = this.#frame !== "";
  }

  #hide(): void {
    if (this.#isShown) this.#update.clear();
    this.#isShown = false;
  }

  /** A narrower terminal has wrapped the drawn lines, so that they occupy more rows than were drawn. */
  #resized(): void {
    if (!this.#isShown) return;
    const { columns } = this.#screen;
    const rows = this.#frame
      .split("\n")
      .reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns)), 0);
    this.#frames.add(`\r${`${UP}${ERASE_LINE}`.repeat(rows)}`);
    // log-update's state is out of date. The next frame is drawn for the new size.
    this.#update.done();
    this.#isShown = false;
    this.#frames.flush();
  }
}

class Frames extends Writable {
  readonly isTTY = true;
  readonly #screen: Screen;
  #pending = "";

  constructor(screen: Screen) {
    super({ decodeStrings: false });
    this.#screen = screen;
  }

  get columns(): number {
    return this.#screen.columns;
  }

  get rows(): number {
    return this.#screen.rows;
  }

  override _write(text: string, _encoding: string, done: () => void): void {
    this.add(text);
    done();
  }

  add(text: string): void {
    this.#pending += text.replaceAll(BEGIN_SYNC, "").replaceAll(END_SYNC, "");
  }

  flush(): void {
    if (this.#pending === "") return;
    this.#screen.write(`${BEGIN_SYNC}${this.#pending}${END_SYNC}`);
    this.#pending = "";
  }
}
