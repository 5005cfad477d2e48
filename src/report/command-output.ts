import type { LineSink, OutputSink, Patience } from "./output.ts";

/** Prints lines of a log while something else is on the terminal. */
export interface LinePrinter {
  /** @param onScreen whether the lines are for the stream that it draws on */
  print(lines: string, sink: LineSink, onScreen: boolean): void;
}

/** How a child process gets a stream of the command: as it is, or as `/dev/null` because it cannot be written. */
export type PassedStream = "inherit" | "ignore";

/**
 * Standard output and error of the command: whole lines, and for as long as somebody draws on the terminal, above what is drawn.
 */
export class CommandOutput {
  readonly out: LineSink;
  readonly err: LineSink;
  /** What all is written to in the end; for who draws. */
  readonly screen: OutputSink;
  readonly #streams: readonly [OutputSink, OutputSink];
  #printer: LinePrinter | undefined;

  constructor(out: OutputSink, err: OutputSink) {
    this.screen = out;
    this.#streams = [out, err];
    this.out = { write: (lines) => this.#write(lines, out, true) };
    this.err = { write: (lines) => this.#write(lines, err, false) };
  }

  /** From here on lines go through `printer`; undefined for nobody. */
  printThrough(printer: LinePrinter | undefined): void {
    this.#printer = printer;
  }

  /** Waits for the readers. @returns whether they have taken all lines */
  async finish(patience: Patience): Promise<boolean> {
    const taken = await Promise.all(this.#streams.map((stream) => stream.finish(patience)));
    return taken.every((isTaken) => isTaken);
  }

  /**
   * Waits until the readers have taken all lines, so that those of a child process come after them. A stream that cannot be
   * written is not passed on: SIGPIPE or an unexpected error would end the child process.
   * @param signal ends the wait
   */
  async passOn(signal: AbortSignal): Promise<readonly [out: PassedStream, err: PassedStream]> {
    await this.finish({ signal });
    const [out, err] = this.#streams;
    return [out.isWritable() ? "inherit" : "ignore", err.isWritable() ? "inherit" : "ignore"];
  }

  #write(lines: string, sink: LineSink, onScreen: boolean): void {
    if (this.#printer === undefined) sink.write(lines);
    else this.#printer.print(lines, sink, onScreen);
  }
}
