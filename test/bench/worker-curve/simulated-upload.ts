import type { BackgroundGate } from "../../../src/concurrency/background-gate.ts";
import type { FixedCosts } from "./costs.ts";
import type { VirtualMachine, VirtualThread } from "./virtual-machine.ts";

/** An upload is opened when so much is there, or all (upload.ts). */
const READY_BYTES = 4 << 20;

/** Parts that lie in the sockets' buffers before the sender has to wait. */
const BUFFERED = 2;

const MB = 1e6;

/**
 * The upload of a blob that grows: the main thread hands it to the network as it is made, the registry takes it on a thread of
 * the connection's own.
 */
export class SimulatedUpload {
  readonly destination: "app" | "cache";
  /** Time that the registry spent on it. */
  registryMs = 0;
  readonly #machine: VirtualMachine;
  readonly #main: VirtualThread;
  readonly #fixed: FixedCosts;
  readonly #gate: BackgroundGate;
  readonly #isBackground: boolean;
  readonly #parts: number[] = [];
  #available = 0;
  #isComplete = false;
  #changed = Promise.withResolvers<void>();

  constructor(
    machine: VirtualMachine,
    main: VirtualThread,
    fixed: FixedCosts,
    { gate, isBackground }: { readonly gate: BackgroundGate; readonly isBackground: boolean },
    destination: "app" | "cache",
  ) {
    this.#machine = machine;
    this.#main = main;
    this.#fixed = fixed;
    this.#gate = gate;
    this.#isBackground = isBackground;
    this.destination = destination;
  }

  grow(bytes: number): void {
    this.#parts.push(bytes);
    this.#available += bytes;
    this.#wake();
  }

  complete(): void {
    this.#isComplete = true;
    this.#wake();
  }

  async run(): Promise<void> {
    while (this.#available < READY_BYTES && !this.#isComplete) await this.#changed.promise;
    await this.#admit(0);
    let sent = 0;
    const foreground = this.#isBackground ? undefined : this.#gate.enter(() => this.#available - sent);
    const taken: Promise<void>[] = [];
    for (let i = 0; ; i++) {
      while (i >= this.#parts.length && !this.#isComplete) await this.#changed.promise;
      const bytes = this.#parts[i];
      if (bytes === undefined) break;
      await this.#admit(bytes);
      await this.#main.do((bytes / MB) * this.#fixed.mainPerMBMs);
      await taken[i - BUFFERED];
      taken.push(this.#take(bytes, taken[i - 1]));
      sent += bytes;
      foreground?.sent(bytes);
    }
    await Promise.all(taken);
    foreground?.leave();
  }

  async #take(bytes: number, before: Promise<void> | undefined): Promise<void> {
    await before;
    const ms = (bytes / MB) * this.#fixed.registryPerMBMs;
    this.registryMs += ms;
    await this.#machine.compute(ms);
  }

  async #admit(bytes: number): Promise<void> {
    if (this.#isBackground) await this.#gate.admit(bytes);
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
