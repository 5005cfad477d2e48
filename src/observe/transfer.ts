import { messageOf } from "../errors/fault.ts";
import type { EventBody } from "./events.ts";
import type { LayerWork } from "./layer-work.ts";

/** Which of the two things that are exported. */
export type Side = "app" | "cache";

/** What becomes of a blob that is to be at a destination. */
export type TransferOutcome = "uploaded" | "mounted" | "existing";

/** Where a blob is to go, and which one. */
export interface TransferPlan {
  readonly destination: string;
  readonly image: Side;
  /** The layer's id; undefined for a layer of the run image. */
  readonly layer?: string | undefined;
  /** The layer that is made for it, if it is made here. */
  readonly work?: LayerWork | undefined;
  /** Bytes; of a blob that is known. */
  readonly size?: number | undefined;
  /** What of a layer is sent. */
  readonly unit: "blob" | "tar";
  /** Bytes that are there by now, for what is made at its destination. */
  readonly reached?: () => number;
}

/** One blob on its way to one destination, kept up to date by whoever sends it. */
export class Transfer {
  readonly plan: TransferPlan;
  state: "waiting" | "sending" | "done" | "failed" = "waiting";
  outcome: TransferOutcome | undefined;
  /** Bytes of the whole, once they are known. */
  size: number | undefined;
  /** ms since the export began; undefined while nothing was sent. */
  startedMs: number | undefined;
  endedMs: number | undefined;
  readonly #emit: (event: EventBody) => number;
  #sent = 0;

  /** @param emit tells when it happened, in ms since the export began */
  constructor(plan: TransferPlan, emit: (event: EventBody) => number) {
    this.plan = plan;
    this.size = plan.size;
    this.#emit = emit;
  }

  /** Bytes; never less than before, whatever had to be sent again. */
  get sent(): number {
    if (this.state === "sending") this.reach(this.plan.reached?.() ?? 0);
    return this.#sent;
  }

  /** The first byte is about to be sent, or, at another offset, sending goes on after a failure. */
  begin(offset = 0): void {
    const isFirst = this.state !== "sending";
    this.state = "sending";
    if (isFirst) this.startedMs = this.#emit({ event: "upload-started", ...this.#name() });
    else this.#emit({ event: "upload-resumed", ...this.#name(), offset });
  }

  /** So many bytes are sent by now. */
  reach(bytes: number): void {
    if (bytes > this.#sent) this.#sent = bytes;
  }

  done(digest: string, size: number, outcome: TransferOutcome): void {
    this.state = "done";
    this.outcome = outcome;
    this.size = size;
    // Another piece of work may have sent the same blob.
    if (this.startedMs !== undefined) this.#sent = size;
    this.endedMs = this.#emit({ event: "upload-done", ...this.#name(), digest, size, outcome });
  }

  fail(reason: unknown): void {
    this.state = "failed";
    this.endedMs = this.#emit({ event: "upload-failed", ...this.#name(), reason: messageOf(reason) });
  }

  #name() {
    const { destination, image, layer } = this.plan;
    return { destination, image, ...(layer === undefined ? {} : { layer }) };
  }
}
