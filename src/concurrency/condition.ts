/**
 * A condition variable: a consumer that finds nothing to do awaits `next` and then checks again. It must read `next` in
 * the same turn as the check, or it misses a notification.
 */
export class Condition {
  #next = Promise.withResolvers<void>();

  get next(): Promise<void> {
    return this.#next.promise;
  }

  notify(): void {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers<void>();
    resolve();
  }
}
