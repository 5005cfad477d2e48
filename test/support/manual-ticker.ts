import type { Ticker } from "../../src/report/progress/ticker.ts";

/** A ticker whose time passes when it is told to. */
export class ManualTicker implements Ticker {
  #ms = 0;
  readonly #tasks = new Set<{ readonly ms: number; readonly task: () => void; next: number }>();

  readonly now = (): number => this.#ms;

  every(ms: number, task: () => void): () => void {
    const entry = { ms, task, next: this.#ms + ms };
    this.#tasks.add(entry);
    return () => this.#tasks.delete(entry);
  }

  /** Lets `ms` pass; what is due is called in order. */
  pass(ms: number): void {
    const end = this.#ms + ms;
    for (;;) {
      const due = [...this.#tasks].filter(({ next }) => next <= end).toSorted((a, b) => a.next - b.next)[0];
      if (due === undefined) break;
      this.#ms = due.next;
      due.next += due.ms;
      due.task();
    }
    this.#ms = end;
  }

  /** How many tasks are still to be called. */
  get tasks(): number {
    return this.#tasks.size;
  }
}
