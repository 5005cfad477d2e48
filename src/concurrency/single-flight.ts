interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Shares concurrent work under one key. A signal affects only its caller; the work is aborted when the last caller has
 * left. Results are not kept, so a failure can be retried.
 */
export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>();

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
