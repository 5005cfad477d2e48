import { BackgroundGate } from "../../../src/concurrency/background-gate.ts";
import { FIRST_COME, PriorityLimiter } from "../../../src/concurrency/limiter.ts";
import { digesterCount, SlotPool, slotCount } from "../../../src/engine/slots.ts";
import { wantedUploadThreads } from "../../../src/export/capacity.ts";
import { APP_PRIORITY } from "../../../src/plan/layers.ts";
import type { BlockCosts, FixedCosts, LayerCosts } from "./stage-costs.ts";
import { VirtualMachine, VirtualThread } from "./virtual-machine.ts";

/** As in layer-store.ts, which does not export it. */
const PASSES = 4;

/** Main-thread callbacks per block: dispatched, built, and one for each digest. */
const CALLS_PER_BLOCK = 4;

/**
 * Utilization of the threads of each kind, 0 to 1; for hashes, of the layer that takes longest; for uploads, of the
 * busiest one.
 */
interface Shares {
  /** Of all cores together. */
  readonly cores: number;
  readonly workers: number;
  readonly tarHash: number;
  readonly blobHash: number;
  /** Of all hashing threads together. */
  readonly digesters: number;
  readonly main: number;
  readonly uploaders: number;
  readonly registry: number;
}

export interface SimulatedRun {
  readonly wallMs: number;
  readonly appReadyMs: number;
  readonly shares: Shares;
}

/** Simulates an export with `-parallel` to two registries. */
export async function simulateExport(
  layers: readonly LayerCosts[],
  fixed: FixedCosts,
  { workers, cores }: { readonly workers: number; readonly cores: number },
): Promise<SimulatedRun> {
  const machine = new VirtualMachine(cores);
  const simulation = new Simulation(machine, fixed, workers, cores);
  return await machine.runUntil(simulation.run(layers));
}

/** One digest of one layer, on a digester thread. */
interface Digest {
  readonly digester: Digester;
  leave(): void;
}

interface Digester {
  readonly thread: VirtualThread;
  digests: number;
}

/** Sends uploads: the main thread or one of its own. */
interface Sender {
  readonly thread: VirtualThread;
  uploads: number;
}

class Simulation {
  readonly #machine: VirtualMachine;
  readonly #fixed: FixedCosts;
  readonly #workers: number;
  readonly #cores: number;
  readonly #main: VirtualThread;
  readonly #compressors: PriorityLimiter;
  readonly #slots: SlotPool;
  readonly #scans: PriorityLimiter;
  readonly #passes = { app: new PriorityLimiter(PASSES), cache: new PriorityLimiter(PASSES) };
  readonly #gate: BackgroundGate;
  readonly #digesters: readonly Digester[];
  readonly #uploaders: readonly Sender[];
  readonly #busy = { workers: 0 };
  readonly #uploads: SimulatedUpload[] = [];

  constructor(machine: VirtualMachine, fixed: FixedCosts, workers: number, cores: number) {
    this.#machine = machine;
    this.#cores = cores;
    this.#fixed = fixed;
    this.#workers = workers;
    this.#main = new VirtualThread(machine);
    this.#compressors = new PriorityLimiter(workers);
    this.#scans = new PriorityLimiter(workers);
    const gate = new BackgroundGate({ now: () => machine.now, wait: (ms, signal) => machine.wait(ms, signal) });
    this.#slots = new SlotPool(slotCount(workers));
    this.#slots.limitBackground(Math.max(1, workers - 1), () => gate.isForegroundAhead);
    this.#gate = gate;
    this.#digesters = Array.from({ length: digesterCount(workers) }, () => ({
      thread: new VirtualThread(machine),
      digests: 0,
    }));
    this.#uploaders = Array.from({ length: wantedUploadThreads(workers) }, () => ({
      thread: new VirtualThread(machine),
      uploads: 0,
    }));
  }

  async run(layers: readonly LayerCosts[]): Promise<SimulatedRun> {
    await this.#machine.wait(this.#fixed.startMs);
    const made = layers.map((layer) => this.#layer(layer));
    const uploads = (destination: "app" | "cache"): Promise<unknown> =>
      Promise.all(this.#uploads.filter((upload) => upload.destination === destination).map((upload) => upload.run()));
    const cache = uploads("cache");
    await uploads("app");
    const appReadyMs = this.#machine.now;
    this.#slots.liftLimit();
    this.#gate.endForeground();
    await Promise.all([cache, ...made]);
    const wallMs = this.#machine.now;
    const share = (busyMs: number): number => busyMs / (wallMs - this.#fixed.startMs);
    const { workers } = this.#busy;
    const longest = (stage: "tarHashMs" | "blobHashMs"): number =>
      Math.max(0, ...layers.map(({ blocks }) => blocks.reduce((sum, block) => sum + block[stage], 0)));
    const digesting = this.#digesters.reduce((sum, { thread }) => sum + thread.busyMs, 0);
    const registries = this.#uploads.reduce((sum, { registryMs }) => sum + registryMs, 0);
    const uploaders = this.#uploaders.map(({ thread }) => thread.busyMs);
    const uploading = uploaders.reduce((sum, busyMs) => sum + busyMs, 0);
    const all = workers + digesting + this.#main.busyMs + uploading + registries;
    const registry = Math.max(0, ...this.#uploads.map(({ registryMs }) => registryMs));
    return {
      wallMs,
      appReadyMs,
      shares: {
        cores: share(all / this.#cores),
        workers: share(workers / this.#workers),
        tarHash: share(longest("tarHashMs")),
        blobHash: share(longest("blobHashMs")),
        digesters: share(digesting / this.#digesters.length),
        main: share(this.#main.busyMs),
        uploaders: share(Math.max(0, ...uploaders)),
        registry: share(registry),
      },
    };
  }

  #layer(layer: LayerCosts): Promise<void> {
    const uploads = layer.destinations.map((destination) => {
      const gate = { gate: this.#gate, isBackground: destination === "cache" };
      const threads = { main: this.#main, uploaders: this.#uploaders };
      return new SimulatedUpload(this.#machine, threads, this.#fixed, gate, destination);
    });
    this.#uploads.push(...uploads);
    return this.#make(layer, uploads);
  }

  async #make(layer: LayerCosts, uploads: readonly SimulatedUpload[]): Promise<void> {
    await this.#scans.run(layer, () => this.#scan(layer));
    const passes = this.#passes[layer.priority === APP_PRIORITY ? "app" : "cache"];
    await passes.run(layer, () => this.#pass(layer, uploads));
    for (const upload of uploads) upload.complete();
  }

  async #scan(layer: LayerCosts): Promise<void> {
    if (layer.priority === APP_PRIORITY) return await this.#compress(layer.scanMs);
    const { release } = await this.#slots.acquire(layer);
    await this.#compress(layer.scanMs);
    release();
  }

  async #compress(ms: number): Promise<void> {
    this.#busy.workers += ms;
    await this.#compressors.run(FIRST_COME, async () => {
      await this.#machine.wait(this.#fixed.messageMs);
      await this.#machine.compute(ms);
      await this.#machine.wait(this.#fixed.messageMs);
    });
  }

  /**
   * As in pass.ts: blocks are built in any order and digested in order. A slot is released once both digests have
   * consumed it.
   */
  async #pass(layer: LayerCosts, uploads: readonly SimulatedUpload[]): Promise<void> {
    const [tar, blob] = [this.#digest(), this.#digest()];
    const made = new Map<number, { readonly block: BlockCosts; readonly release: () => void }>();
    const running: Promise<void>[] = [];
    const digests: Promise<void>[] = [];
    let next = 0;
    const digestInOrder = (): void => {
      for (let ready = made.get(next); ready !== undefined; ready = made.get(++next)) {
        const { block, release } = ready;
        made.delete(next);
        const both = [
          this.#digestBlock(tar, block.tarHashMs),
          this.#digestBlock(blob, block.blobHashMs).then(() => {
            for (const upload of uploads) upload.grow(block.outputBytes);
          }),
        ];
        digests.push(Promise.all(both).then(release));
      }
    };
    for (const [number, block] of layer.blocks.entries()) {
      const { release } = await this.#slots.acquire(layer);
      const make = async (): Promise<void> => {
        await this.#call();
        await this.#compress(block.makeMs);
        await this.#call();
        made.set(number, { block, release });
        digestInOrder();
      };
      running.push(make());
    }
    await Promise.all(running);
    await Promise.all(digests);
    tar.leave();
    blob.leave();
  }

  async #digestBlock({ digester }: Digest, ms: number): Promise<void> {
    await this.#machine.wait(this.#fixed.messageMs);
    await digester.thread.do(ms);
    await this.#machine.wait(this.#fixed.messageMs);
    await this.#call();
  }

  /** Uses the thread with the fewest digests. */
  #digest(): Digest {
    const digester = this.#digesters.reduce((least, one) => (one.digests < least.digests ? one : least));
    digester.digests += 1;
    return {
      digester,
      leave: () => {
        digester.digests -= 1;
      },
    };
  }

  #call(): Promise<void> {
    return this.#main.do(this.#fixed.mainPerBlockMs / CALLS_PER_BLOCK);
  }
}

/** An upload opens once this much of the blob is ready, or all of it (upload.ts). */
const READY_BYTES = 4 << 20;

interface UploadingThreads {
  readonly main: VirtualThread;
  /** None: the main thread sends. */
  readonly uploaders: readonly Sender[];
}

/** Parts that socket buffers hold before the sender has to wait. */
const BUFFERED = 2;

const MB = 1e6;

/**
 * The upload of a growing blob: a thread sends parts as they are made; the registry handles them on one thread per
 * connection.
 */
class SimulatedUpload {
  readonly destination: "app" | "cache";
  /** CPU time of the registry. */
  registryMs = 0;
  readonly #machine: VirtualMachine;
  readonly #threads: UploadingThreads;
  readonly #fixed: FixedCosts;
  readonly #gate: BackgroundGate;
  readonly #isBackground: boolean;
  readonly #parts: number[] = [];
  #available = 0;
  #isComplete = false;
  #changed = Promise.withResolvers<void>();

  constructor(
    machine: VirtualMachine,
    threads: UploadingThreads,
    fixed: FixedCosts,
    { gate, isBackground }: { readonly gate: BackgroundGate; readonly isBackground: boolean },
    destination: "app" | "cache",
  ) {
    this.#machine = machine;
    this.#threads = threads;
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
    const { main, uploaders } = this.#threads;
    const uploader = uploaders.toSorted((a, b) => a.uploads - b.uploads)[0];
    if (uploader !== undefined) uploader.uploads += 1;
    for (let i = 0; ; i++) {
      while (i >= this.#parts.length && !this.#isComplete) await this.#changed.promise;
      const bytes = this.#parts[i];
      if (bytes === undefined) break;
      await this.#admit(bytes);
      const { mainPerMBMs, supervisePerMBMs = 0 } = this.#fixed;
      if (uploader !== undefined) void main.do((bytes / MB) * supervisePerMBMs);
      await (uploader?.thread ?? main).do((bytes / MB) * mainPerMBMs);
      await taken[i - BUFFERED];
      taken.push(this.#take(bytes, taken[i - 1]));
      sent += bytes;
      foreground?.sent(bytes);
    }
    await Promise.all(taken);
    if (uploader !== undefined) uploader.uploads -= 1;
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
