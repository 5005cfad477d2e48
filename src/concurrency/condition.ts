/**
 * A condition variable: a consumer that finds nothing to do awaits `next` and then checks again. Read `next` in the same
 * turn as the check, so that no notification is missed.
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
