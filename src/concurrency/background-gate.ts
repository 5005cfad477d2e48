import { untilAborted } from "./abort.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/**
 * Foreground bytes after which its speed is looked at: far more than what the kernel and a proxy take at once. Speeds of
 * shorter windows vary by more than what is to be noticed.
 */
const WINDOW_BYTES = 3 << 20;
const MIN_WINDOW_MS = 100;
const MAX_WINDOW_MS = 1000;

/** With less than this ready to send, the foreground waits for its bytes to be made, not for the network. */
const BACKLOG_BYTES = 1 << 20;

/** A foreground that sends nothing for this long (a retry, a registry that thinks) has nothing to lose. */
const STALL_MS = 500;

/** However long the gate is shut, one chunk passes now and then, so that servers do not take an upload for dead. */
const TRICKLE_MS = 5000;

/** Background bytes per foreground byte when it is tried whether the two compete: on one link the foreground keeps 2/3 of its speed. */
const TRIED_SHARE = 1 / 2;
/** The foreground counts as slowed down below this part of its speed alone. */
const SLOWED = 0.83;

/**
 * What tries may cost: background bytes that may have slowed the foreground down, as a part of those that it has sent and is known
 * to have left. On one link that is the part of its time by which it is later.
 */
const TRY_COST = 0.02;

/** A foreground that has this much left for its network, at the speed it has, waits for nothing else. */
const AHEAD_MS = 250;
const AHEAD_BYTES = 6 << 20;

/** Something in the foreground: bytes that must not be slowed down. */
export interface Foreground {
  /** Bytes were taken by the network. */
  sent(bytes: number): void;
  leave(): void;
}

interface ForegroundUpload {
  readonly backlog: () => number;
  sentBytes: number;
}

/** Background that has not been let through yet. */
interface Waiter {
  readonly bytes: number;
  /** When. */
  readonly asked: number;
  readonly resolve: () => void;
}

/** What is smaller leaves no gap that a window would show. */
function isNoticed({ sentBytes }: ForegroundUpload): boolean {
  return sentBytes >= BACKLOG_BYTES;
}

/**
 * Lets background transfers use what the foreground leaves idle (docs/decisions/0005-background-gate.md). There is no
 * way to ask whether two uploads share a link, so the gate probes: it measures the foreground's speed alone, then
 * admits a little background, then all of it while the foreground stays as fast. While the foreground waits for bytes
 * to be compressed it needs the cores, and the background waits.
 */
export class BackgroundGate {
  readonly #clock: Clock;
  readonly #uploads = new Map<Foreground, ForegroundUpload>();
  /** Between two uploads there is more to come: answers, commits, blobs that are being made. */
  #isHeld = false;
  /** Background bytes per foreground byte: 0 shut, infinite open. */
  #share = 0;
  /** Speed of the foreground alone, in bytes per ms. */
  #alone: number | undefined;
  #lastAlone: number | undefined;
  /** Of the last window, whatever happened in it; 0 before. */
  #lastSpeed = 0;
  #windowStart = 0;
  #windowBytes = 0;
  #wasStarved = false;
  /** An upload came in this window, or just before: buffers fill faster than the network is. */
  #isUnsettled = true;
  #lastSent = 0;
  /** Background bytes that may pass. */
  #credit = 0;
  #foregroundBytes = 0;
  /** Background bytes while the gate was open in this window, and those that may have cost time. */
  #openBytes = 0;
  #costBytes = 0;
  /** In the order in which they asked. */
  readonly #waiters = new Set<Waiter>();
  #watch: AbortController | undefined;

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  /**
   * The first foreground shuts the gate until {@link foregroundIsOver}, also while no upload is in the foreground: a commit
   * keeps a registry busy that may share the cores.
   * @param backlog bytes that are ready to be sent and not sent yet
   */
  enter(backlog: () => number): Foreground {
    const upload: ForegroundUpload = { backlog, sentBytes: 0 };
    const foreground: Foreground = {
      sent: (bytes) => {
        upload.sentBytes += bytes;
        this.#sent(bytes);
      },
      leave: () => {
        this.#uploads.delete(foreground);
        // What was still in buffers is through; the others have its share at once.
        if (this.#uploads.size === 0 || isNoticed(upload)) this.#beginWindow();
        this.#wake();
      },
    };
    if (this.#uploads.size === 0 || backlog() >= BACKLOG_BYTES) {
      this.#isUnsettled = true;
      if (this.#share === TRIED_SHARE) this.#shut();
      this.#beginWindow();
    }
    this.#lastSent = this.#clock.now();
    this.#uploads.set(foreground, upload);
    this.#isHeld = true;
    return foreground;
  }

  /** There will be no foreground any more. */
  foregroundIsOver(): void {
    this.#isHeld = false;
    this.#wake();
  }

  /** Waits until `bytes` of background may be sent. Rejects with the signal's reason. Who asks first goes first. */
  async admit(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#waiters.size === 0 && this.#isOpen()) return this.#take(bytes);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, asked: this.#clock.now(), resolve };
    this.#waiters.add(waiter);
    if (this.#watch === undefined) void this.#watchStalls();
    try {
      await (signal === undefined ? promise : untilAborted(promise, signal));
    } finally {
      this.#leave(waiter);
    }
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size > 0) return;
    this.#watch?.abort();
    this.#watch = undefined;
  }

  /** The foreground says when something changes, but not that it stalls. */
  async #watchStalls(): Promise<void> {
    const watch = new AbortController();
    this.#watch = watch;
    while (this.#watch === watch) {
      await this.#clock.wait(STALL_MS, watch.signal).catch(() => undefined);
      this.#wake();
    }
  }

  #take(bytes: number): void {
    this.#credit -= bytes;
    if (this.#share === Number.POSITIVE_INFINITY) this.#openBytes += bytes;
    else this.#costBytes += bytes;
  }

  /** The foreground has so much ready for its network that what makes its bytes need not hurry. */
  get isForegroundAhead(): boolean {
    const elapsed = this.#clock.now() - this.#windowStart;
    const speed = Math.max(this.#lastSpeed, elapsed >= MIN_WINDOW_MS ? this.#windowBytes / elapsed : 0);
    return speed > 0 && this.#backlog() >= Math.max(AHEAD_BYTES, AHEAD_MS * speed);
  }

  #isOpen(): boolean {
    if (this.#uploads.size === 0 && !this.#isHeld) return true;
    if (this.#clock.now() - this.#lastSent > STALL_MS) return true;
    return this.#share > 0 && this.#credit > 0;
  }

  #sent(bytes: number): void {
    const now = this.#clock.now();
    this.#lastSent = now;
    this.#windowBytes += bytes;
    this.#foregroundBytes += bytes;
    this.#credit += this.#share === Number.POSITIVE_INFINITY ? this.#share : bytes * this.#share;
    this.#wasStarved ||= this.#backlog() < BACKLOG_BYTES;
    const elapsed = now - this.#windowStart;
    if ((this.#windowBytes >= WINDOW_BYTES && elapsed >= MIN_WINDOW_MS) || elapsed >= MAX_WINDOW_MS)
      this.#endWindow(this.#windowBytes / elapsed);
    this.#wake();
  }

  #backlog(): number {
    let bytes = 0;
    for (const { backlog } of this.#uploads.values()) bytes += backlog();
    return bytes;
  }

  /** What buffers hold of an upload that has handed over all it has uses the network too, unseen, as its answer is waited for. */
  #isDraining(): boolean {
    return [...this.#uploads.values()].some((upload) => isNoticed(upload) && upload.backlog() === 0);
  }

  /** @param speed of the foreground, in bytes per ms */
  #endWindow(speed: number): void {
    this.#lastSpeed = speed;
    if (this.#wasStarved) this.#shut();
    else if (this.#isUnsettled) this.#isUnsettled = false;
    else if (!this.#isDraining()) this.#learn(speed);
    this.#beginWindow();
  }

  #learn(speed: number): void {
    if (this.#share === 0) this.#measuredAlone(speed);
    else if (speed < SLOWED * (this.#alone ?? speed)) {
      this.#costBytes += this.#openBytes;
      this.#shut();
    } else this.#share = Number.POSITIVE_INFINITY;
  }

  #measuredAlone(speed: number): void {
    this.#alone = (speed + (this.#lastAlone ?? speed)) / 2;
    this.#lastAlone = speed;
    this.#credit = 0;
    if (this.#mayTry(speed)) this.#share = TRIED_SHARE;
  }

  /** Noise may have failed the last try; but each may cost. */
  #mayTry(speed: number): boolean {
    const cost = TRIED_SHARE * Math.max(WINDOW_BYTES, speed * MIN_WINDOW_MS);
    return this.#costBytes + cost <= TRY_COST * (this.#foregroundBytes + this.#backlog());
  }

  #shut(): void {
    this.#share = 0;
    this.#credit = 0;
  }

  #beginWindow(): void {
    this.#windowStart = this.#clock.now();
    this.#windowBytes = 0;
    this.#openBytes = 0;
    this.#wasStarved = false;
  }

  /** Lets go who may go: one look at each change, however many wait. */
  #wake(): void {
    for (const waiter of this.#waiters) {
      if (!this.#isOpen() && this.#clock.now() - waiter.asked < TRICKLE_MS) return;
      this.#leave(waiter);
      this.#take(waiter.bytes);
      waiter.resolve();
    }
  }
}
