interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Work that several callers want at the same time is done once. It ends early only when the last caller has left, and
 * nothing is remembered after it settled: what a success means later is the caller's to know, and a failure may be
 * tried again.
 */
export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>();

  /**
   * Joins the work under `key` or starts it.
   * @param work gets a signal that fires when nobody waits any more
   * @param signal of this caller: it leaves, with the signal's reason, and the others go on
   */
  async share(key: K, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.waiters += 1;
    if (signal === undefined) return flight.result;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const onAbort = () => {
      reject(signal.reason);
      flight.waiters -= 1;
      if (flight.waiters > 0) return;
      this.#forget(key, flight);
      flight.controller.abort(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #start(key: K, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const flight: Flight<T> = { result: work(controller.signal), controller, waiters: 0 };
    this.#flights.set(key, flight);
    const forget = () => this.#forget(key, flight);
    flight.result.then(forget, forget);
    return flight;
  }

  #forget(key: K, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
