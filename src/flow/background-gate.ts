import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/**
 * Foreground bytes after which its speed is looked at: far more than what the kernel and a proxy take at once. Speeds of
 * shorter windows vary by more than what is to be noticed.
 */
const WINDOW_BYTES = 10 << 20;
const MIN_WINDOW_MS = 100;
const MAX_WINDOW_MS = 1000;

/** With less than this ready to send, the foreground waits for its bytes to be made, not for the network. */
const BACKLOG_BYTES = 1 << 20;

/** A foreground that sends nothing for this long (a retry, a registry that thinks) has nothing to lose. */
const STALL_MS = 500;

/** However long the gate is shut, one chunk passes now and then, so that servers do not take an upload for dead. */
const TRICKLE_MS = 5000;

/** Background bytes per foreground byte when it is tried whether the two compete: on one link the foreground keeps 3/4 of its speed. */
const TRIED_SHARE = 1 / 3;
/** The foreground counts as slowed down below this part of its speed alone. */
const SLOWED = 0.85;
/** Windows that are measured until the first try, after one in which buffers come to rest. */
const SETTLE = 1;

/**
 * Windows until the next try after a failed one, which noise may have failed, and how many times longer the wait after each
 * further one is, at most so many windows.
 */
const FIRST_WAIT = 8;
const WAIT_FACTOR = 2;
const MAX_WAIT = 32;

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

/** What is smaller leaves no gap that a window would show. */
function isNoticed({ sentBytes }: ForegroundUpload): boolean {
  return sentBytes >= BACKLOG_BYTES;
}

/**
 * Lets background transfers use what the foreground leaves idle, and nothing else (design, idea 7). Whether two uploads share
 * a link cannot be asked, so it is tried: the foreground's speed is measured alone, then a little background is let through,
 * then all of it as long as the foreground stays as fast. While the foreground waits for bytes to be made, the cores are what
 * it needs, and the background waits.
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
  #windowStart = 0;
  #windowBytes = 0;
  #wasStarved = false;
  /** An upload came in this window, or just before: buffers fill faster than the network is. */
  #isUnsettled = true;
  #lastSent = 0;
  /** Background bytes that may pass. */
  #credit = 0;
  /** Windows until the next try, and how many the one after that would wait. */
  #wait = SETTLE;
  #nextWait = FIRST_WAIT;
  #changed = Promise.withResolvers<void>();

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

  /** Waits until `bytes` of background may be sent. Rejects with the signal's reason. */
  async admit(bytes: number, signal?: AbortSignal): Promise<void> {
    const asked = this.#clock.now();
    while (!this.#isOpen() && this.#clock.now() - asked < TRICKLE_MS) {
      signal?.throwIfAborted();
      // The foreground says when something changes, but not that it stalls.
      const stop = new AbortController();
      const tick = this.#clock.wait(
        STALL_MS,
        signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
      );
      await Promise.race([this.#changed.promise, tick.catch(() => undefined)]);
      stop.abort();
    }
    signal?.throwIfAborted();
    this.#credit -= bytes;
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
    if (this.#wasStarved) this.#shut(SETTLE);
    else if (this.#isUnsettled) this.#isUnsettled = false;
    else if (!this.#isDraining()) this.#learn(speed);
    this.#beginWindow();
  }

  #learn(speed: number): void {
    if (this.#share === 0) this.#measuredAlone(speed);
    else if (speed < SLOWED * (this.#alone ?? speed)) {
      this.#shut(this.#nextWait);
      this.#nextWait = Math.min(WAIT_FACTOR * this.#nextWait, MAX_WAIT);
    } else this.#share = Number.POSITIVE_INFINITY;
  }

  #measuredAlone(speed: number): void {
    this.#alone = (speed + (this.#lastAlone ?? speed)) / 2;
    this.#lastAlone = speed;
    this.#wait -= 1;
    if (this.#wait > 0) return;
    this.#credit = 0;
    this.#share = TRIED_SHARE;
  }

  #shut(wait: number): void {
    this.#share = 0;
    this.#credit = 0;
    this.#wait = wait;
  }

  #beginWindow(): void {
    this.#windowStart = this.#clock.now();
    this.#windowBytes = 0;
    this.#wasStarved = false;
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
