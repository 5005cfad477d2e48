import type { Monitor } from "../../flow/monitor.ts";
import type { Transfer } from "../../flow/transfer.ts";

/** What compressed layers have of their tar's size, while none is compressed yet. */
const FIRST_GUESS = 0.45;

/** The part of their tars' sizes that the blobs made so far have. */
export function compressionRatio(layers: Monitor["layers"]): number {
  let [tar, blob] = [0, 0];
  for (const { compressed, madeInPass } of layers) {
    if (compressed === 0) continue;
    tar += madeInPass;
    blob += compressed;
  }
  return tar === 0 ? FIRST_GUESS : Math.min(1, blob / tar);
}

/**
 * Bytes that a transfer will have sent at its end, as far as that can be known. Of a blob that exists somewhere nothing, until it
 * is clear that it has to be sent.
 */
export function expectedSize({ state, sent, size, startedMs, plan }: Transfer, ratio: number): number {
  if (state === "failed") return sent;
  if (state === "done") return startedMs === undefined ? 0 : (size ?? sent);
  const { work, unit } = plan;
  if (work === undefined) return state === "sending" ? Math.max(sent, size ?? 0) : 0;
  if (unit === "tar") return Math.max(sent, work.tarSize ?? 0);
  if (work.isCompressed) return work.compressed;
  return Math.max(work.compressed, (work.tarSize ?? 0) * ratio);
}
