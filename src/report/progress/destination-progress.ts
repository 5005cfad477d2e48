import type { Monitor } from "../../flow/monitor.ts";
import type { Side, Transfer } from "../../flow/transfer.ts";
import { compressionRatio, expectedSize } from "./expected-size.ts";
import { Speed } from "./speed.ts";

/** How far one destination is. */
export interface DestinationProgress {
  readonly destination: string;
  readonly image: Side;
  /** Bytes; never less than before. */
  readonly sentBytes: number;
  /** Bytes; an estimate while layers are being compressed. */
  readonly expectedBytes: number;
  /** 0 to 1; never less than before, and 1 only when nothing is left. */
  readonly fraction: number;
  readonly bytesPerSecond: number;
  /** undefined while nothing moves. */
  readonly secondsLeft: number | undefined;
  readonly isDone: boolean;
}

interface Meter {
  readonly speed: Speed;
  fraction: number;
}

/** Sums up the transfers to each destination. */
export class DestinationMeters {
  readonly #meters = new Map<string, Meter>();

  /** All destinations in the order in which they were first sent to; those of the app image first. @param ms of any clock */
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
    meter.speed.look(ms, sentBytes);
    const { bytesPerSecond } = meter.speed;
    const fraction = isDone ? 1 : Math.min(0.99, expectedBytes === 0 ? 0 : sentBytes / expectedBytes);
    // What is expected may grow; what was shown does not shrink.
    meter.fraction = Math.max(meter.fraction, fraction);
    const secondsLeft = bytesPerSecond > 0 ? (expectedBytes - sentBytes) / bytesPerSecond : undefined;
    const shown = isDone ? 1 : Math.min(0.99, meter.fraction);
    return { destination, image, sentBytes, expectedBytes, fraction: shown, bytesPerSecond, secondsLeft, isDone };
  }
}
