import { untilAborted } from "./abort.ts";
import type { Clock } from "./clock.ts";

/**
 * Foreground bytes per speed measurement: far more than the kernel and a proxy buffer. In shorter windows the noise
 * exceeds the effect to detect.
 */
const WINDOW_BYTES = 3 << 20;
const MIN_WINDOW_MS = 100;
const MAX_WINDOW_MS = 1000;

/** With a smaller backlog the foreground is limited by compression, not by the network. */
const BACKLOG_BYTES = 1 << 20;

/** Without foreground bytes for this long (a retry, a slow commit), background cannot slow the foreground down. */
const STALL_MS = 500;

const TRICKLE_MS = 5000;

const PROBE_SHARE = 1 / 2;
const SLOWED = 0.83;

/**
 * Probe budget: background bytes that may have slowed the foreground, as a fraction of its total. On a shared link this
 * bounds the fraction of its time that it loses.
 */
const PROBE_COST = 0.02;

/** The budget of the first probe, which decides the most. A foreground of 31 MB affords it. */
const FIRST_PROBE_COST = 0.05;

const AHEAD_MS = 250;
const AHEAD_BYTES = 6 << 20;

export interface Foreground {
  sent(bytes: number): void;
  leave(): void;
}

interface ForegroundUpload {
  readonly backlog: () => number;
  sentBytes: number;
}

interface Waiter {
  readonly bytes: number;
  readonly askedMs: number;
  readonly resolve: () => void;
}

function isNoticed({ sentBytes }: ForegroundUpload): boolean {
  return sentBytes >= BACKLOG_BYTES;
}

type GateState = "closed" | "probing" | "open";

/**
 * Lets background transfers use what the foreground leaves idle (docs/decisions/0005-background-gate.md). There is no
 * way to ask whether two uploads share a link, so the gate probes: it measures the foreground's speed alone, then
 * admits a little background, then all of it while the foreground stays as fast. While the foreground waits for bytes
 * to be compressed it needs the cores, and the background waits.
 *
 * The foreground's speed is measured in windows. Uploads report whole chunks, so windows of the same speed are up to a
 * seventh too short or too long, in turn; hence two are averaged. At the end of each window, the state changes:
 *
 * | state | end of a window | next |
 * |---|---|---|
 * | any | the foreground lacked bytes to send | closed |
 * | any | an upload of the foreground came in the window, or only drains its buffers | unchanged |
 * | closed | two windows have given the foreground's speed alone, and the budget allows a probe | probing |
 * | closed | otherwise; the speed is noted as the foreground's alone | closed |
 * | probing, open | the foreground kept its speed | open |
 * | probing, open | the foreground was slower; the window's background counts against the budget | closed |
 *
 * An upload that joins the foreground turns probing into closed. In any state, everything passes while there is no
 * foreground or it stalls, and one chunk passes every `TRICKLE_MS`, so that servers do not drop an upload.
 */
export class BackgroundGate {
  readonly #clock: Clock;
  readonly #uploads = new Map<Foreground, ForegroundUpload>();
  #isHeld = false;
  #state: GateState = "closed";
  /** Speed of the foreground alone, in bytes per ms. */
  #alone: number | undefined;
  /** Speed of the last window that the foreground had alone. */
  #lastAlone: number | undefined;
  /** Speed of the last window beside background, since the gate was closed. */
  #lastBeside: number | undefined;
  #lastSpeed = 0;
  #windowStartMs = 0;
  #windowBytes = 0;
  #wasStarved = false;
  /** An upload started in or just before this window: buffers fill faster than the network drains them. */
  #isUnsettled = true;
  #lastSentMs = 0;
  #credit = 0;
  #hasProbed = false;
  #foregroundBytes = 0;
  #openBytes = 0;
  #costBytes = 0;
  readonly #waiters = new Set<Waiter>();
  #watch: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The first foreground upload closes the gate until {@link endForeground}, also between uploads: a commit keeps a
   * registry busy that may share the cores.
   * @param backlog bytes that are ready but not yet sent
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
        // Its buffers have drained; the remaining uploads get its share at once.
        if (this.#uploads.size === 0 || isNoticed(upload)) this.#beginWindow();
        this.#admitWaiters();
      },
    };
    if (this.#uploads.size === 0 || backlog() >= BACKLOG_BYTES) {
      this.#isUnsettled = true;
      if (this.#state === "probing") this.#become("closed");
      this.#beginWindow();
    }
    this.#lastSentMs = this.#clock.now();
    this.#uploads.set(foreground, upload);
    this.#isHeld = true;
    return foreground;
  }

  endForeground(): void {
    this.#isHeld = false;
    this.#admitWaiters();
  }

  async admit(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#waiters.size === 0 && this.#mayPass()) return this.#take(bytes);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, askedMs: this.#clock.now(), resolve };
    this.#waiters.add(waiter);
    if (this.#watch === undefined) void this.#watchStalls();
    try {
      await (signal === undefined ? promise : untilAborted(promise, signal));
    } finally {
      this.#leave(waiter);
    }
  }

  /** True while the foreground has such a backlog that its compression can wait. */
  get isForegroundAhead(): boolean {
    const elapsedMs = this.#clock.now() - this.#windowStartMs;
    const speed = Math.max(this.#lastSpeed, elapsedMs >= MIN_WINDOW_MS ? this.#windowBytes / elapsedMs : 0);
    return speed > 0 && this.#backlog() >= Math.max(AHEAD_BYTES, AHEAD_MS * speed);
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size > 0) return;
    this.#watch?.abort();
    this.#watch = undefined;
  }

  async #watchStalls(): Promise<void> {
    const watch = new AbortController();
    this.#watch = watch;
    while (this.#watch === watch) {
      await this.#clock.wait(STALL_MS, watch.signal).catch(() => undefined);
      this.#admitWaiters();
    }
  }

  #take(bytes: number): void {
    this.#credit -= bytes;
    if (this.#state === "open") this.#openBytes += bytes;
    else this.#costBytes += bytes;
  }

  #mayPass(): boolean {
    if (this.#uploads.size === 0 && !this.#isHeld) return true;
    if (this.#clock.now() - this.#lastSentMs > STALL_MS) return true;
    return this.#state === "open" || (this.#state === "probing" && this.#credit > 0);
  }

  #sent(bytes: number): void {
    const nowMs = this.#clock.now();
    this.#lastSentMs = nowMs;
    this.#windowBytes += bytes;
    this.#foregroundBytes += bytes;
    if (this.#state === "probing") this.#credit += bytes * PROBE_SHARE;
    this.#wasStarved ||= this.#backlog() < BACKLOG_BYTES;
    const elapsedMs = nowMs - this.#windowStartMs;
    if ((this.#windowBytes >= WINDOW_BYTES && elapsedMs >= MIN_WINDOW_MS) || elapsedMs >= MAX_WINDOW_MS)
      this.#endWindow(this.#windowBytes / elapsedMs);
    this.#admitWaiters();
  }

  #backlog(): number {
    let bytes = 0;
    for (const { backlog } of this.#uploads.values()) bytes += backlog();
    return bytes;
  }

  /** The buffers of an upload that waits for its response may still be sending, unseen. */
  #isDraining(): boolean {
    return [...this.#uploads.values()].some((upload) => isNoticed(upload) && upload.backlog() === 0);
  }

  #endWindow(speed: number): void {
    this.#lastSpeed = speed;
    if (this.#wasStarved) this.#become("closed");
    else if (this.#isUnsettled) this.#isUnsettled = false;
    else if (!this.#isDraining()) this.#become(this.#nextState(speed));
    this.#beginWindow();
  }

  #nextState(speed: number): GateState {
    if (this.#state === "closed") {
      const last = this.#lastAlone;
      this.#lastAlone = speed;
      if (last === undefined) return "closed";
      this.#alone = (speed + last) / 2;
      return this.#mayProbe(speed) ? "probing" : "closed";
    }
    const beside = (speed + (this.#lastBeside ?? speed)) / 2;
    this.#lastBeside = speed;
    if (beside >= SLOWED * (this.#alone ?? speed)) return "open";
    this.#costBytes += this.#openBytes;
    return "closed";
  }

  #mayProbe(speed: number): boolean {
    const cost = PROBE_SHARE * Math.max(WINDOW_BYTES, speed * MIN_WINDOW_MS);
    const share = this.#hasProbed ? PROBE_COST : FIRST_PROBE_COST;
    return this.#costBytes + cost <= share * (this.#foregroundBytes + this.#backlog());
  }

  #become(state: GateState): void {
    this.#state = state;
    this.#credit = 0;
    if (state === "closed") this.#lastBeside = undefined;
    if (state === "probing") this.#hasProbed = true;
  }

  #beginWindow(): void {
    this.#windowStartMs = this.#clock.now();
    this.#windowBytes = 0;
    this.#openBytes = 0;
    this.#wasStarved = false;
  }

  #admitWaiters(): void {
    for (const waiter of this.#waiters) {
      if (!this.#mayPass() && this.#clock.now() - waiter.askedMs < TRICKLE_MS) return;
      this.#leave(waiter);
      this.#take(waiter.bytes);
      waiter.resolve();
    }
  }
}
