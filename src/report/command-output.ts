import type { LineSink } from "./log.ts";

/** Prints lines of a log while something else is on the terminal. */
export interface LinePrinter {
  /** @param onScreen whether the lines are for the stream that it draws on */
  print(lines: string, sink: LineSink, onScreen: boolean): void;
}

/**
 * Standard output and error of the command: whole lines, and for as long as somebody draws on the terminal, above what is drawn.
 */
export class CommandOutput {
  readonly out: LineSink;
  readonly err: LineSink;
  /** What all is written to in the end; for who draws. */
  readonly screen: LineSink;
  #printer: LinePrinter | undefined;

  constructor(out: LineSink, err: LineSink) {
    this.screen = out;
    this.out = { write: (lines) => this.#write(lines, out, true) };
    this.err = { write: (lines) => this.#write(lines, err, false) };
  }

  /** From here on lines go through `printer`; undefined for nobody. */
  printThrough(printer: LinePrinter | undefined): void {
    this.#printer = printer;
  }

  #write(lines: string, sink: LineSink, onScreen: boolean): void {
    if (this.#printer === undefined) sink.write(lines);
    else this.#printer.print(lines, sink, onScreen);
  }
}
