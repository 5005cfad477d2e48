import type { OutputSink } from "../output.ts";

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
