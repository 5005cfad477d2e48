import { messageOf } from "../errors/fault.ts";
import type { EventBody } from "./events.ts";
import type { LayerWork } from "./layer-work.ts";
import type { ImageKind, TransferOutcome, WorkSink } from "./work-sink.ts";

export interface TransferPlan {
  readonly destination: string;
  readonly image: ImageKind;
  readonly layer?: string | undefined;
  readonly work?: LayerWork | undefined;
  readonly size?: number | undefined;
  readonly unit: "blob" | "tar";
  /** Polled while sending: bytes of a blob or tar that the pass which builds it writes into its destination. */
  readonly polledBytes?: () => number;
}

export class Transfer {
  readonly plan: TransferPlan;
  state: "waiting" | "sending" | "done" | "failed" = "waiting";
  outcome: TransferOutcome | undefined;
  size: number | undefined;
  startedMs: number | undefined;
  endedMs: number | undefined;
  readonly #emit: (event: EventBody) => number;
  readonly #workSink: WorkSink | undefined;
  #sent = 0;

  constructor(plan: TransferPlan, emit: (event: EventBody) => number, workSink?: WorkSink) {
    this.plan = plan;
    this.size = plan.size;
    this.#emit = emit;
    this.#workSink = workSink;
    workSink?.transferCreated(this);
  }

  /** Bytes; never decreases, even when bytes are sent again. */
  get sent(): number {
    if (this.state === "sending") this.reach(this.plan.polledBytes?.() ?? 0);
    return this.#sent;
  }

  begin(offset = 0): void {
    const isFirst = this.state !== "sending";
    this.state = "sending";
    if (isFirst) this.startedMs = this.#emit({ event: "upload-started", ...this.#name() });
    else this.#emit({ event: "upload-resumed", ...this.#name(), offset });
    this.#workSink?.transferBegan(this, offset);
  }

  retry(error: unknown, waitMs: number): void {
    this.#workSink?.transferRetried(this, error, waitMs);
  }

  reach(bytes: number): void {
    if (bytes > this.#sent) this.#sent = bytes;
  }

  done(digest: string, size: number, outcome: TransferOutcome): void {
    this.state = "done";
    this.outcome = outcome;
    this.size = size;
    // Another task may have sent the same blob.
    if (this.startedMs !== undefined) this.#sent = size;
    this.endedMs = this.#emit({ event: "upload-done", ...this.#name(), digest, size, outcome });
    this.#workSink?.transferEnded(this, undefined, digest);
  }

  fail(reason: unknown): void {
    this.state = "failed";
    this.endedMs = this.#emit({ event: "upload-failed", ...this.#name(), reason: messageOf(reason) });
    this.#workSink?.transferEnded(this, reason);
  }

  #name() {
    const { destination, image, layer } = this.plan;
    return { destination, image, ...(layer === undefined ? {} : { layer }) };
  }
}
