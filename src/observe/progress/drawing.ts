import { Writable } from "node:stream";
import { createLogUpdate } from "log-update";
import stringWidth from "string-width";
import type { LinePrinter, LineSink, OutputSink } from "../../report/output.ts";

/** A terminal. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** Whether it does not show yet all that was written. */
  readonly isBehind: boolean;
  write(text: string): void;
  /** @returns stops listening */
  onResize(listener: () => void): () => void;
}

/** Size of a terminal that does not tell: what terminals have had since the VT100. */
const UNKNOWN = { columns: 80, rows: 24 };

/**
 * The terminal that standard output is, or is taken for.
 * @param sink standard output
 */
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

/** What a terminal shows between these two appears at once, so that nothing flickers (terminals that do not know them ignore them). */
const BEGIN_SYNC = "\u001b[?2026h";
const END_SYNC = "\u001b[?2026l";
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_LINE = "\u001b[2K";
const UP = "\u001b[1A";

/** A log that writes faster than this is not looked at line by line: what is drawn comes back when it pauses. */
const MIN_REDRAW_MS = 16;

/**
 * A few lines at the bottom of a terminal that are drawn again and again, with the log above them, and gone at the end. What
 * changed between two pictures is log-update's to find out.
 */
export class Drawing implements LinePrinter {
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #frames: Frames;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #stopListening: () => void;
  #picture = "";
  #isShown = false;
  #printedMs = Number.NEGATIVE_INFINITY;
  #hasEnded = false;

  /** @param now ms from any start */
  constructor(screen: Screen, now: () => number) {
    this.#screen = screen;
    this.#now = now;
    this.#frames = new Frames(screen);
    this.#update = createLogUpdate(this.#frames, { showCursor: true });
    this.#stopListening = screen.onResize(() => this.#resized());
    screen.write(HIDE_CURSOR);
  }

  /** Shows a picture of several lines instead of the one before; "" for none. Skipped while the terminal is behind. */
  draw(picture: string): void {
    if (this.#hasEnded || this.#screen.isBehind) return;
    this.#picture = picture;
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

  /** Leaves the terminal as if nothing had been drawn. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hide();
    this.#hasEnded = true;
    this.#stopListening();
    this.#frames.add(SHOW_CURSOR);
    this.#frames.flush();
  }

  #show(): void {
    if (this.#picture === "") this.#hide();
    else this.#update(this.#picture);
    this.#isShown = this.#picture !== "";
  }

  #hide(): void {
    if (this.#isShown) this.#update.clear();
    this.#isShown = false;
  }

  /** A terminal that became narrower has broken the lines that are on it: there are more of them now than were drawn. */
  #resized(): void {
    if (!this.#isShown) return;
    const { columns } = this.#screen;
    const rows = this.#picture
      .split("\n")
      .reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns)), 0);
    this.#frames.add(`\r${`${UP}${ERASE_LINE}`.repeat(rows)}`);
    // What log-update knows of the screen is no longer true. The next picture is drawn for the new size.
    this.#update.done();
    this.#isShown = false;
    this.#frames.flush();
  }
}

/** The stream that log-update draws on: what belongs together goes to the terminal in one piece. */
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
