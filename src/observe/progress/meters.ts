import type { LayerWork } from "../layer-work.ts";
import type { Monitor } from "../monitor.ts";
import type { Transfer } from "../transfer.ts";
import type { ImageKind } from "../work-sink.ts";

/** Window of a speed: long enough to be stable, short enough to show a stall. */
const WINDOW_MS = 5000;

const MIN_STEP_MS = 200;

export class Speed {
  readonly #samples: { readonly ms: number; readonly bytes: number }[] = [];

  sample(ms: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && ms - last.ms < MIN_STEP_MS) return;
    this.#samples.push({ ms, bytes });
    while ((this.#samples[1]?.ms ?? ms) <= ms - WINDOW_MS) this.#samples.shift();
  }

  get bytesPerSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.ms === first.ms) return 0;
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.ms - first.ms));
  }
}

const FIRST_GUESS = 0.45;

function compressionRatio(layers: Monitor["layers"]): number {
  let [tar, blob] = [0, 0];
  for (const { compressed, builtInPass } of layers) {
    if (compressed === 0) continue;
    tar += builtInPass;
    blob += compressed;
  }
  return tar === 0 ? FIRST_GUESS : Math.min(1, blob / tar);
}

/**
 * Estimates the bytes that a transfer will send in total: none for a blob that exists elsewhere until it is known that
 * it must be sent.
 */
function expectedSize({ state, sent, size, startedMs, plan }: Transfer, ratio: number): number {
  if (state === "failed") return sent;
  if (state === "done") return startedMs === undefined ? 0 : (size ?? sent);
  const { work, unit } = plan;
  if (work === undefined) return state === "sending" ? Math.max(sent, size ?? 0) : 0;
  if (unit === "tar") return Math.max(sent, work.tarSize ?? 0);
  if (work.isCompressed) return work.compressed;
  return Math.max(work.compressed, (work.tarSize ?? 0) * ratio);
}

export interface DestinationProgress {
  readonly destination: string;
  readonly image: ImageKind;
  readonly sentBytes: number;
  readonly expectedBytes: number;
  /** 0 to 1; never decreases, and 1 only when nothing is left. */
  readonly fraction: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | undefined;
  readonly isDone: boolean;
}

export function isMoving({ isDone, expectedBytes }: DestinationProgress): boolean {
  return !isDone && expectedBytes > 0;
}

interface Meter {
  readonly speed: Speed;
  fraction: number;
}

export class DestinationMeters {
  readonly #meters = new Map<string, Meter>();

  read({ transfers, layers }: Pick<Monitor, "transfers" | "layers">, ms: number): DestinationProgress[] {
    const ratio = compressionRatio(layers);
    const groups = Map.groupBy(transfers, ({ plan }) => `${plan.image} ${plan.destination}`);
    const read = [...groups].map(([key, group]) => this.#read(this.#meter(key), group, ratio, ms));
    return read.toSorted((a, b) => Number(a.image === "cache") - Number(b.image === "cache"));
  }

  #meter(key: string): Meter {
    const known = this.#meters.get(key);
    if (known !== undefined) return known;
    const meter = { speed: new Speed(), fraction: 0 };
    this.#meters.set(key, meter);
    return meter;
  }

  #read(meter: Meter, transfers: readonly Transfer[], ratio: number, ms: number): DestinationProgress {
    const { destination = "", image = "app" } = transfers[0]?.plan ?? {};
    let [sentBytes, expectedBytes, isDone] = [0, 0, true];
    for (const transfer of transfers) {
      sentBytes += transfer.sent;
      expectedBytes += expectedSize(transfer, ratio);
      isDone &&= transfer.state === "done" || transfer.state === "failed";
    }
    expectedBytes = Math.max(sentBytes, Math.round(expectedBytes));
    meter.speed.sample(ms, sentBytes);
    const { bytesPerSecond } = meter.speed;
    const fraction = isDone ? 1 : Math.min(0.99, expectedBytes === 0 ? 0 : sentBytes / expectedBytes);
    // The expected size may grow, but the displayed fraction never shrinks.
    meter.fraction = Math.max(meter.fraction, fraction);
    const secondsLeft = bytesPerSecond > 0 ? (expectedBytes - sentBytes) / bytesPerSecond : undefined;
    const shown = isDone ? 1 : Math.min(0.99, meter.fraction);
    return { destination, image, sentBytes, expectedBytes, fraction: shown, bytesPerSecond, secondsLeft, isDone };
  }
}

export interface LayerProgress {
  readonly id: string;
  readonly tarSize: number | undefined;
  readonly doing: "waiting" | "hashing" | "compressing" | "reading" | "sending";
  readonly fraction: number;
  readonly bytesPerSecond: number;
}

export class LayerMeters {
  readonly #speeds = new Map<string, Speed>();

  /**
   * Active layers first, then waiting ones.
   * @param ms of any clock
   */
  read({ layers, transfers }: Pick<Monitor, "layers" | "transfers">, ms: number): LayerProgress[] {
    const byWork = Map.groupBy(transfers, ({ plan }) => plan.work);
    const shown = layers.flatMap((work, i) => this.#read(work, i, byWork.get(work) ?? [], ms) ?? []);
    return shown.toSorted((a, b) => Number(a.doing === "waiting") - Number(b.doing === "waiting"));
  }

  #read(work: LayerWork, number: number, transfers: readonly Transfer[], ms: number): LayerProgress | undefined {
    const { id, tarSize, state } = work;
    if (state === "failed") return undefined;
    if (state === "waiting") return { id, tarSize, doing: "waiting", fraction: 0, bytesPerSecond: 0 };
    const now = state === "built" ? sending(transfers) : { doing: state, bytes: work.builtInPass, whole: tarSize ?? 0 };
    if (now === undefined) return undefined;
    const key = `${number} ${now.doing}`;
    const speed = this.#speeds.get(key) ?? new Speed();
    this.#speeds.set(key, speed);
    speed.sample(ms, now.bytes);
    const fraction = now.whole === 0 ? 0 : Math.min(1, now.bytes / now.whole);
    return { id, tarSize, doing: now.doing, fraction, bytesPerSecond: speed.bytesPerSecond };
  }
}

function sending(transfers: readonly Transfer[]) {
  if (!transfers.some(({ state }) => state === "sending" || state === "waiting")) return undefined;
  const moving = transfers.filter(({ startedMs }) => startedMs !== undefined);
  const bytes = moving.reduce((sum, { sent }) => sum + sent, 0);
  const whole = moving.reduce(
    (sum, { size, plan }) => sum + (size ?? (plan.unit === "blob" ? plan.work?.compressed : plan.work?.tarSize) ?? 0),
    0,
  );
  return { doing: "sending", bytes, whole } as const;
}
