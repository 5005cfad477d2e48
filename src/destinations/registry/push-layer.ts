import { NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { ImageKind } from "../../observe/work-sink.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { APP_PRIORITY } from "../../plan/layers.ts";
import type { BuiltContent, LayerContent } from "../destination.ts";
import type { RequestOptions } from "./connection.ts";
import type { RegistryRepository } from "./repository.ts";

export type RegistryContent = LayerContent<RegistryRepository>;

export interface LayerPushOptions extends RequestOptions {
  readonly monitor: Monitor;
  readonly image: ImageKind;
  readonly layer: string | undefined;
}

export interface PushedBlob {
  readonly descriptor: Descriptor;
  /** False if only the registry claims to have the blob, and only the layer's contents could replace it. */
  readonly isCertain: boolean;
}

export async function pushLayer(
  content: RegistryContent,
  repository: RegistryRepository,
  { monitor, image, layer, ...options }: LayerPushOptions,
): Promise<PushedBlob> {
  const source = content.kind === "built" ? { work: content.layer.work } : { size: content.descriptor.size };
  const transfer = monitor.transfer({ destination: repository.name, image, layer, unit: "blob", ...source });
  const onBytes = (bytes: number) => transfer.reach(bytes);
  const onBegin = (offset: number) => transfer.begin(offset);
  const onRetry = (error: unknown, waitMs: number) => transfer.retry(error, waitMs);
  const observed = { ...options, onBytes, onBegin, onRetry };
  try {
    let built: BuiltContent;
    if (content.kind === "built") built = content;
    else {
      const { descriptor, from, otherwise } = content;
      try {
        const put = await repository.copyBlob(descriptor, from, observed);
        transfer.done(descriptor.digest, descriptor.size, put?.outcome ?? "existing");
        return { descriptor, isCertain: from.name !== repository.name };
      } catch (error) {
        const isGone = error instanceof RegistryFault && error.code === NOT_FOUND;
        if (!isGone || otherwise === undefined) throw error;
        built = otherwise;
      }
    }
    const { digest, size, outcome } = await repository.putBlob(await built.layer.blob(), observed);
    if (outcome === "uploaded") built.layer.counters.uploads += 1;
    transfer.done(digest, size, outcome);
    return { descriptor: { mediaType: await built.mediaType, size, digest }, isCertain: outcome === "uploaded" };
  } catch (error) {
    transfer.fail(error);
    throw error;
  }
}

export function pushBaseLayers(
  layers: readonly Descriptor[],
  from: RegistryRepository,
  repository: RegistryRepository,
  { monitor, signal }: { readonly monitor: Monitor; readonly signal: AbortSignal },
): Promise<unknown> {
  const push = { priority: APP_PRIORITY, signal, monitor, image: "app", layer: undefined } as const;
  const content = (descriptor: Descriptor) => ({ kind: "existing", descriptor, from, otherwise: undefined }) as const;
  return Promise.all(layers.map((descriptor) => pushLayer(content(descriptor), repository, push)));
}
