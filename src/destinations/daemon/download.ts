import { posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { isDockerFault } from "../../docker/fault.ts";
import { Fault, withContext } from "../../errors/fault.ts";
import { goQuote } from "../../go/format.ts";
import { decodeFirst, list, struct, text } from "../../go/json-decode.ts";
import type { DaemonConnection } from "./connection.ts";
import { type DaemonImage, encodeName, platformQuery } from "./images.ts";
import type { TarUpload } from "./tar-upload.ts";

/** Lists the layers of a saved image; the only document that all versions of docker write. */
const MANIFEST = "manifest.json";

const manifestType = list(struct({ Layers: list(text) }));

/**
 * Reads all layers of an image out of the daemon (`docker save`) and streams them back into an upload, without a copy
 * on disk. All files are sent, because the manifest that lists the layers comes last. They may be compressed; a daemon
 * accepts either.
 * @param prefix makes the names of the files unique in the upload
 * @returns the name in the upload of each layer, by diffID
 * @throws Fault `failed to fetch base layers: ...`, or the upload's
 */
export async function downloadLayers(
  { docker }: DaemonConnection,
  image: DaemonImage,
  upload: TarUpload,
  prefix: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  try {
    const path = `/images/${encodeName(image.id)}/get`;
    const saved = await docker.download({ method: "GET", path, query: platformQuery(image.platform) }, signal);
    const archive = extract();
    const reading = pipeline(saved, archive);
    const names = new SavedNames(image);
    const resend = async (): Promise<void> => {
      for await (const entry of archive) await names.take(entry, upload, prefix);
    };
    await Promise.all([resend(), reading]);
    return names.byDiffId();
  } catch (error) {
    signal.throwIfAborted();
    if (isDockerFault(error)) throw error;
    const context = `failed to fetch base layers: saving image with ID ${goQuote(image.id)} from the docker daemon`;
    throw withContext(context, error, "EXPORT_DAEMON_SAVE");
  }
}

interface Entry extends AsyncIterable<unknown> {
  readonly header: Header;
  resume(): void;
}

class SavedNames {
  readonly #image: DaemonImage;
  readonly #uploaded = new Map<string, string>();
  readonly #links = new Map<string, string>();
  #layers: readonly string[] = [];

  constructor(image: DaemonImage) {
    this.#image = image;
  }

  async take(entry: Entry, upload: TarUpload, prefix: string): Promise<void> {
    const { name, type, size, linkname } = entry.header;
    if (name === MANIFEST) {
      this.#layers = parseManifest(await textOf(entry));
      return;
    }
    if (type === "file") {
      const uploaded = `${prefix}-${this.#uploaded.size}`;
      this.#uploaded.set(posix.normalize(name), uploaded);
      await upload.add({ name: uploaded, size, open: () => bytesOf(entry) });
      return;
    }
    // A layer that an image has twice is stored once and linked.
    if (type === "symlink" && linkname) this.#links.set(name, posix.join(posix.dirname(name), linkname));
    entry.resume();
  }

  byDiffId(): ReadonlyMap<string, string> {
    const { diff_ids } = this.#image.config.rootfs;
    return new Map(diff_ids.map((diffId, i) => [diffId, this.#nameOf(this.#layers[i] ?? "")]));
  }

  #nameOf(layer: string): string {
    const uploaded = this.#uploaded.get(posix.normalize(this.#links.get(layer) ?? layer));
    if (uploaded !== undefined) return uploaded;
    throw new Fault("EXPORT_DAEMON_SAVE", `the daemon omitted layer ${goQuote(layer)} of image ${this.#image.name}`);
  }
}

function parseManifest(document: string): readonly string[] {
  const images = decodeFirst(document, manifestType);
  const [image, ...more] = images.ok ? images.value : [];
  if (image !== undefined && more.length === 0) return image.Layers;
  const problem = images.ok ? `expected one image, got ${images.value.length}` : images.problem;
  throw new Fault("EXPORT_DAEMON_SAVE", `${MANIFEST} of the saved image: ${problem}`);
}

async function textOf(entry: Entry): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOf(entry)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function* bytesOf(entry: Entry): AsyncGenerator<Uint8Array> {
  for await (const chunk of entry) if (chunk instanceof Uint8Array) yield chunk;
}
