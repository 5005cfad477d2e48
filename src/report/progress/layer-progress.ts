import type { LayerWork } from "../../flow/layer-work.ts";
import type { Monitor } from "../../flow/monitor.ts";
import type { Transfer } from "../../flow/transfer.ts";
import { Speed } from "./speed.ts";

/** How far one layer is with what is being done for it now. */
export interface LayerProgress {
  readonly id: string;
  /** Bytes of its tar; undefined before it was scanned. */
  readonly tarSize: number | undefined;
  readonly doing: "waiting" | "hashing" | "compressing" | "reading" | "sending";
  /** 0 to 1. */
  readonly fraction: number;
  readonly bytesPerSecond: number;
}

/** Looks at the layers that are not yet everywhere where they belong. */
export class LayerMeters {
  /** One for each thing that is done for a layer, since a speed is that of one thing. */
  readonly #speeds = new Map<string, Speed>();

  /** Layers that something is being done for, then those that wait. @param ms of any clock */
  read({ layers, transfers }: Pick<Monitor, "layers" | "transfers">, ms: number): LayerProgress[] {
    const byWork = Map.groupBy(transfers, ({ plan }) => plan.work);
    const shown = layers.flatMap((work, i) => this.#read(work, i, byWork.get(work) ?? [], ms) ?? []);
    return shown.toSorted((a, b) => Number(a.doing === "waiting") - Number(b.doing === "waiting"));
  }

  #read(work: LayerWork, number: number, transfers: readonly Transfer[], ms: number): LayerProgress | undefined {
    const { id, tarSize, state } = work;
    if (state === "failed") return undefined;
    if (state === "waiting") return { id, tarSize, doing: "waiting", fraction: 0, bytesPerSecond: 0 };
    const now = state === "made" ? sending(transfers) : { doing: state, bytes: work.madeInPass, whole: tarSize ?? 0 };
    if (now === undefined) return undefined;
    const key = `${number} ${now.doing}`;
    const speed = this.#speeds.get(key) ?? new Speed();
    this.#speeds.set(key, speed);
    speed.look(ms, now.bytes);
    const fraction = now.whole === 0 ? 0 : Math.min(1, now.bytes / now.whole);
    return { id, tarSize, doing: now.doing, fraction, bytesPerSecond: speed.bytesPerSecond };
  }
}

/** All transfers of a layer that is made; undefined when none is left to wait for. */
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
