import xterm from "@xterm/headless";
import type { Screen } from "../../../src/observe/progress/drawing.ts";

export class HeadlessTerminal implements Screen {
  /** Raw output, with control sequences. */
  readonly written: string[] = [];
  isBehind = false;
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  readonly #listeners = new Set<() => void>();

  constructor(columns: number, rows: number) {
    // As a tty driver does.
    this.#terminal = new xterm.Terminal({ cols: columns, rows, convertEol: true, allowProposedApi: true });
  }

  get columns(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  write(text: string): void {
    this.written.push(text);
    this.#terminal.write(text);
  }

  onResize(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As if a user resized the window. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#settle();
    this.#terminal.resize(columns, rows);
    for (const listener of this.#listeners) listener();
  }

  /** All lines, from the scrollback on, without trailing blanks and blank lines. */
  async lines(): Promise<string[]> {
    await this.#settle();
    const { active } = this.#terminal.buffer;
    const lines: string[] = [];
    for (let i = 0; i < active.length; i += 1) lines.push(active.getLine(i)?.translateToString(true) ?? "");
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  async #settle(): Promise<void> {
    await new Promise<void>((resolve) => this.#terminal.write("", resolve));
  }
}
