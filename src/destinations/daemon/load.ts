import { randomUUID } from "node:crypto";
import type { Layer } from "../../engine/layer.ts";
import { Fault } from "../../errors/fault.ts";
import type { BuiltImage } from "../../images/image.ts";
import type { Transfer } from "../../observe/transfer.ts";
import { type DiffID, withoutAlgorithm } from "../../oci/digest.ts";
import type { LayerContent, SourceImage } from "../destination.ts";
import type { DaemonConnection } from "./connection.ts";
import { downloadLayers } from "./download.ts";
import type { DaemonImage } from "./images.ts";
import { CachedLayer, type CachedTar } from "./launch-cache.ts";
import { DaemonSource, diffIdOf } from "./source-image.ts";
import { TarUpload } from "./tar-upload.ts";

/**
 * A layer is `known` if the daemon has it and all below it in the same order, so that it is not sent; `saved` if the
 * daemon has it on top of other layers.
 */
export type LoadedLayer =
  | { readonly kind: "known" }
  | { readonly kind: "built"; readonly layer: Layer }
  | { readonly kind: "cached"; readonly tar: CachedTar }
  | { readonly kind: "saved"; readonly diffId: DiffID; readonly image: DaemonImage };

export class DaemonLoad {
  readonly #connection: DaemonConnection;
  readonly #name: string;
  readonly #signal: AbortSignal;
  /**
   * Gives the layers' files names that no other load has: containerd storage keeps the part of a file that it received
   * before a load broke off, and continues it with the next file of that name, of whatever load.
   */
  readonly #prefix = randomUUID();
  readonly #sent = new Map<Layer, { readonly name: string; readonly done: Promise<void> }>();
  #upload: TarUpload | undefined;

  constructor(connection: DaemonConnection, name: string, signal: AbortSignal) {
    this.#connection = connection;
    this.#name = name;
    this.#signal = signal;
  }

  async send(layer: Layer, transfer?: Transfer): Promise<string> {
    const known = this.#sent.get(layer);
    const sent = known ?? this.#start(layer, transfer);
    await sent.done;
    transfer?.done(await layer.diffId, await layer.tarSize, known === undefined ? "uploaded" : "existing");
    return sent.name;
  }

  async complete(image: BuiltImage, layers: readonly LoadedLayer[]): Promise<void> {
    const upload = this.#opened();
    const saved = await this.#resendSaved(layers, upload);
    const names: string[] = [];
    for (const [i, layer] of layers.entries()) names.push(await this.#nameOf(layer, i, saved, upload));
    const config = `${withoutAlgorithm(image.configDescriptor.digest)}.json`;
    await addBytes(upload, config, image.configBytes);
    const manifest = [{ Config: config, RepoTags: [this.#name], Layers: names }];
    await addBytes(upload, "manifest.json", Buffer.from(JSON.stringify(manifest)));
    await upload.end();
  }

  #start(layer: Layer, transfer: Transfer | undefined) {
    const name = `${this.#prefix}-layer-${this.#sent.size}.tar`;
    const sent = { name, done: this.#stream(layer, name, transfer) };
    this.#sent.set(layer, sent);
    return sent;
  }

  async #stream(layer: Layer, name: string, transfer: Transfer | undefined): Promise<void> {
    const size = await layer.tarSize;
    await this.#opened().add({ name, size, open: () => counted(layer.tarStream(this.#signal), transfer) });
    layer.counters.uploads += 1;
  }

  async #resendSaved(layers: readonly LoadedLayer[], upload: TarUpload): Promise<ReadonlyMap<string, string>> {
    const images = new Set(layers.flatMap((layer) => (layer.kind === "saved" ? [layer.image] : [])));
    const names = new Map<string, string>();
    for (const image of images) {
      const found = await downloadLayers(
        this.#connection,
        image,
        upload,
        `${this.#prefix}-saved-${names.size}`,
        this.#signal,
      );
      for (const [diffId, name] of found) names.set(diffId, name);
    }
    return names;
  }

  async #nameOf(
    layer: LoadedLayer,
    index: number,
    saved: ReadonlyMap<string, string>,
    upload: TarUpload,
  ): Promise<string> {
    if (layer.kind === "built") return await this.send(layer.layer);
    if (layer.kind === "saved") return saved.get(layer.diffId) as string;
    if (layer.kind === "cached") {
      const cached = `${this.#prefix}-cached-${index}.tar`;
      await upload.add({ name: cached, size: layer.tar.size, open: layer.tar.open });
      return cached;
    }
    const name = `blank_${index}`;
    await addBytes(upload, name, new Uint8Array());
    return name;
  }

  #opened(): TarUpload {
    this.#upload ??= new TarUpload(this.#connection, this.#name, this.#signal);
    return this.#upload;
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, transfer: Transfer | undefined): AsyncGenerator<Uint8Array> {
  let sent = 0;
  transfer?.begin();
  for await (const chunk of chunks) {
    yield chunk;
    sent += chunk.length;
    transfer?.reach(sent);
  }
}

async function addBytes(upload: TarUpload, name: string, bytes: Uint8Array): Promise<void> {
  await upload.add({ name, size: bytes.length, open: () => (bytes.length === 0 ? [] : [bytes]) });
}

export function originOf(image: SourceImage): DaemonImage {
  if (image instanceof DaemonSource) return image.stored;
  throw new Fault("EXPORT_INTERNAL", `image ${image.name} is in no daemon`);
}

/**
 * Chooses the source of each layer of a loaded image. Classic storage identifies a layer by everything below it, so the
 * daemon has the layers of the run image, and those of the previous image up to the first difference
 * (docs/compatibility.md#daemon-load).
 * @param contents layers on top of the run image, from the bottom
 * @param sent `all` for a daemon that needs complete images
 */
export function chooseLayers(
  base: DaemonImage,
  contents: readonly LayerContent<SourceImage>[],
  sent: "all" | "unknown",
): LoadedLayer[] {
  const chain: DiffID[] = [...base.config.rootfs.diff_ids];
  const chosen: LoadedLayer[] = chain.map((diffId) =>
    sent === "unknown" ? { kind: "known" } : { kind: "saved", diffId, image: base },
  );
  let isChainKnown = sent === "unknown";
  for (const content of contents) {
    if (content.kind === "existing") chain.push(diffIdOf(content.descriptor));
    isChainKnown &&= content.kind === "existing" && startsWith(content.from, chain);
    chosen.push(isChainKnown ? { kind: "known" } : ownLayer(content));
  }
  return chosen;
}

function startsWith({ config }: SourceImage, chain: readonly string[]): boolean {
  return chain.every((diffId, i) => config.rootfs.diff_ids[i] === diffId);
}

function ownLayer(content: LayerContent<SourceImage>): LoadedLayer {
  if (content.kind === "built") return { kind: "built", layer: content.layer };
  if (content.otherwise !== undefined) return { kind: "built", layer: content.otherwise.layer };
  if (content.from instanceof CachedLayer) return { kind: "cached", tar: content.from.tar };
  return { kind: "saved", diffId: diffIdOf(content.descriptor), image: originOf(content.from) };
}
