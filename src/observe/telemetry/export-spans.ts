import { LAYER_IDS } from "../../cnb/names.ts";
import { threadClock } from "../../concurrency/clock.ts";
import { cacheKind, destinationKind, type ExportSettings, type Tuning } from "../../plan/inputs.ts";
import type { ExportEvent } from "../events.ts";
import type { BlockTimes, ImageKind, LayerProduct, ObservedTransfer, ObservedWork, WorkSink } from "../work-sink.ts";
import type { Attributes } from "./otlp.ts";
import type { OpenSpan } from "./telemetry.ts";

type Stage = "read" | "compress" | "hash" | "hash-blob";

/** Times are in ms of the threads' clock. `busyMs` is summed over the threads, so it may exceed the span. */
interface StageTimes {
  startMs: number;
  endMs: number;
  busyMs: number;
}

interface Pass {
  readonly span: OpenSpan;
  readonly attributes: Attributes;
  readonly stages: Map<Stage, StageTimes>;
}

interface SpanSettings extends Pick<ExportSettings, "daemon" | "layout" | "cacheImage" | "cacheDir" | "parallel"> {
  readonly tuning: Pick<Tuning, "workers" | "compression" | "compressionLevel">;
}

/**
 * Turns a monitor's records of an export into spans below the export's span, which `end` ends
 * (docs/telemetry.md#spans).
 */
export class ExportSpans implements WorkSink {
  readonly #export: OpenSpan;
  readonly #kinds: Readonly<Record<ImageKind, "registry" | "daemon" | "layout" | "directory" | "none">>;
  readonly #app: OpenSpan;
  #cache: OpenSpan | undefined;
  readonly #passes = new Map<string, Pass>();
  readonly #transfers = new Map<ObservedTransfer, { readonly createdMs: number; span: OpenSpan | undefined }>();
  /** Unix time minus the threads' clock. */
  readonly #threadOffsetMs: number;

  constructor(span: OpenSpan, settings: SpanSettings, clock: () => number = threadClock) {
    this.#export = span;
    const cache = cacheKind(settings);
    this.#kinds = { app: destinationKind(settings), cache: cache === "image" ? "registry" : cache };
    this.#threadOffsetMs = span.telemetry.now() - clock();
    const { parallel, tuning } = settings;
    span.set({
      "export.destination": this.#kinds.app,
      "export.cache": this.#kinds.cache,
      "export.parallel": parallel,
      "export.workers": BigInt(tuning.workers),
      "export.compression": tuning.compression,
      "export.compression_level": BigInt(tuning.compressionLevel),
    });
    this.#app = span.startChild("app-image");
  }

  event(event: ExportEvent): void {
    switch (event.event) {
      case "layer-reused":
        this.#imageSpan(event.image).addEvent("layer-reused", {
          ...this.#layerAttributes(event.id),
          ...this.#names({ "layer.diff_id": event.diffId }),
        });
        break;
      case "app-image-ready":
        this.#app.set(this.#names({ "image.digest": event.digest, "image.tags": event.tags }));
        this.#app.end();
        break;
      case "cache-ready":
        this.#cache?.set(this.#names({ "image.reference": event.reference, "image.digest": event.digest }));
        this.#cache?.end();
        break;
      case "summary":
        this.#export.set({
          "export.layers_made": BigInt(event.made),
          "export.layers_reused": BigInt(event.reused),
          "export.read_bytes": BigInt(event.readBytes),
          "export.compressed_bytes": BigInt(event.compressedBytes),
          "export.sent_bytes": BigInt(event.sentBytes),
        });
        break;
    }
  }

  cacheBegan(): void {
    this.#cache = this.#export.startChild("cache");
  }

  cacheFailed(error: unknown): void {
    this.#cache?.end(error);
  }

  passBegan({ id, tarSize = 0 }: ObservedWork, products: readonly LayerProduct[]): void {
    const attributes = this.#layerAttributes(id);
    const own = { ...attributes, "layer.tar_bytes": BigInt(tarSize), "layer.makes": products };
    this.#passes.set(id, {
      span: this.#export.startChild("layer", { attributes: own }),
      attributes,
      stages: new Map(),
    });
  }

  passEnded({ id, isCompressed, compressed }: ObservedWork, failure: unknown): void {
    const pass = this.#passes.get(id);
    if (pass === undefined) return;
    this.#passes.delete(id);
    const { span, attributes, stages } = pass;
    for (const [stage, { startMs, endMs, busyMs }] of stages) {
      const options = {
        startMs: startMs + this.#threadOffsetMs,
        attributes: { ...attributes, "layer.busy_ms": busyMs },
      };
      span.startChild(`layer-${stage}`, options).end(undefined, endMs + this.#threadOffsetMs);
    }
    if (isCompressed) span.set({ "layer.blob_bytes": BigInt(compressed) });
    span.end(failure);
  }

  block(layer: string, { startMs, readMs, endMs }: BlockTimes): void {
    const stages = this.#passes.get(layer)?.stages;
    addStage(stages, "read", startMs, readMs);
    if (endMs > readMs) addStage(stages, "compress", readMs, endMs);
  }

  digest(layer: string, kind: "diff-id" | "blob", { startMs, endMs }: Omit<BlockTimes, "readMs">): void {
    addStage(this.#passes.get(layer)?.stages, kind === "blob" ? "hash-blob" : "hash", startMs, endMs);
  }

  transferCreated(transfer: ObservedTransfer): void {
    this.#transfers.set(transfer, { createdMs: this.#export.telemetry.now(), span: undefined });
  }

  transferBegan(transfer: ObservedTransfer, offset: number): void {
    const known = this.#transfers.get(transfer);
    if (known?.span !== undefined) known.span.addEvent("resumed", { "upload.offset_bytes": BigInt(offset) });
    else if (known !== undefined) {
      known.span = this.#startTransfer(transfer, "upload");
      known.span.set({ "upload.wait_ms": this.#export.telemetry.now() - known.createdMs });
    }
  }

  transferRetried(transfer: ObservedTransfer, error: unknown, waitMs: number): void {
    const span = this.#transfers.get(transfer)?.span ?? this.#imageSpan(transfer.plan.image);
    this.#addRetry(span, error, waitMs);
  }

  transferEnded(transfer: ObservedTransfer, failure: unknown, digest?: string): void {
    const known = this.#transfers.get(transfer);
    if (known === undefined) return;
    this.#transfers.delete(transfer);
    const { outcome, size } = transfer;
    const name = outcome === "mounted" ? "mount" : outcome === "existing" ? "find" : "upload";
    const span = known.span ?? this.#startTransfer(transfer, name, known.createdMs);
    span.set({
      "upload.outcome": outcome ?? "failed",
      "upload.bytes": size === undefined ? undefined : BigInt(size),
      "upload.sent_bytes": BigInt(transfer.sent),
      ...this.#names({ "upload.digest": digest }),
    });
    span.end(failure);
  }

  retried(error: unknown, waitMs: number): void {
    this.#addRetry(this.#export, error, waitMs);
  }

  end(failure: unknown): void {
    for (const transfer of [...this.#transfers.keys()]) this.transferEnded(transfer, failure);
    for (const { span } of this.#passes.values()) span.end(failure);
    this.#cache?.end(failure);
    this.#app.end(failure);
    this.#export.end(failure);
  }

  #startTransfer({ plan }: ObservedTransfer, name: string, startMs?: number): OpenSpan {
    const { destination, image, layer } = plan;
    const kind = this.#kinds[image];
    return this.#imageSpan(image).startChild(name, {
      kind: kind === "registry" || kind === "daemon" ? "client" : "internal",
      ...(startMs === undefined ? {} : { startMs }),
      attributes: {
        "upload.destination": kind,
        "upload.image": image,
        ...(layer === undefined ? { "layer.kind": "run-image" } : this.#layerAttributes(layer)),
        ...this.#names({ "upload.destination_name": destination }),
      },
    });
  }

  #addRetry(span: OpenSpan, error: unknown, waitMs: number): void {
    const { type, message } = span.telemetry.describe(error);
    span.addEvent("retry", {
      "error.type": type,
      "retry.wait_ms": waitMs,
      ...this.#names({ "error.message": message }),
    });
  }

  #imageSpan(image: ImageKind): OpenSpan {
    return image === "cache" ? (this.#cache ?? this.#export) : this.#app;
  }

  #layerAttributes(id: string): Attributes {
    return { ...kindOfLayer(id), ...this.#names({ "layer.id": id }) };
  }

  #names(attributes: Attributes): Attributes {
    return this.#export.telemetry.hasNames ? attributes : {};
  }
}

const KINDS: Readonly<Record<string, string>> = {
  [LAYER_IDS.launchSbom]: "sbom",
  [LAYER_IDS.cacheSbom]: "sbom",
  [LAYER_IDS.launcher]: "launcher",
  [LAYER_IDS.config]: "config",
  [LAYER_IDS.processTypes]: "process-types",
};

function addStage(stages: Pass["stages"] | undefined, stage: Stage, startMs: number, endMs: number): void {
  const known = stages?.get(stage);
  if (known === undefined) stages?.set(stage, { startMs, endMs, busyMs: endMs - startMs });
  else {
    known.startMs = Math.min(known.startMs, startMs);
    known.endMs = Math.max(known.endMs, endMs);
    known.busyMs += endMs - startMs;
  }
}

/** Omits the layer's own name, which is a directory's. RFC 0131 has the ids of buildpacks in its examples. */
function kindOfLayer(id: string): Attributes {
  const kind = KINDS[id];
  if (kind !== undefined) return { "layer.kind": kind };
  const at = id.indexOf(":");
  if (at < 0) return { "layer.kind": "app" };
  const owner = id.slice(0, at);
  if (/^:extended-layer-\d+$/.test(id.slice(at))) return { "layer.kind": "extension", "extension-id": owner };
  return { "layer.kind": "buildpack", "buildpack-id": owner };
}
