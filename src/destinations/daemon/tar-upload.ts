import { Condition } from "../../concurrency/condition.ts";
import { isDockerFault } from "../../docker/fault.ts";
import { Fault, withContext } from "../../errors/fault.ts";
import { goQuote } from "../../go/format.ts";
import { decodeEach, pointer, struct, text } from "../../go/json-decode.ts";
import {
  MAGIC,
  paddedSize,
  RECORD_SIZE,
  sealRecord,
  TAR_TYPE,
  TRAILER_SIZE,
  writeRecord,
} from "../../go/tar-header.ts";
import type { DaemonConnection } from "./connection.ts";

export interface UploadEntry {
  readonly name: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export const TAR_END = Buffer.alloc(TRAILER_SIZE);

/**
 * A tar entry as the reference writes it: a USTAR header with mode 0644 and owner and group 0, the contents, and zeros
 * up to the next record (docs/compatibility.md#daemon-load).
 * @throws Fault if contents and size differ; errors of the contents
 */
export async function* tarEntry({ name, size, open }: UploadEntry): AsyncGenerator<Uint8Array> {
  yield header(name, size);
  let left = size;
  for await (const chunk of open()) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0)
    throw new Fault("EXPORT_LAYER_CHANGED", `${name} has ${left < 0 ? "more" : "fewer"} than its ${size} bytes`);
  const padding = paddedSize(size) - size;
  if (padding > 0) yield TAR_END.subarray(0, padding);
}

function header(name: string, size: number): Buffer {
  const record = Buffer.alloc(RECORD_SIZE);
  const owner = { uid: 0, gid: 0 };
  const devices = { deviceMajor: undefined, deviceMinor: undefined };
  writeRecord(record, { name, type: TAR_TYPE.file, mode: 0o644, ...owner, size, linkName: "", ...devices }, 0);
  sealRecord(record, MAGIC.ustar);
  return record;
}

interface Waiting {
  readonly entry: UploadEntry;
  readonly sent: PromiseWithResolvers<void>;
}

/**
 * One tar streamed into a daemon (`docker load`). The request starts with the first entry; entries are sent in the
 * order of {@link add}, each as fast as it is built and the daemon reads, so that loading overlaps with building.
 */
export class TarUpload {
  readonly #name: string;
  readonly #waiting: Waiting[] = [];
  readonly #failed = Promise.withResolvers<never>();
  readonly #loaded: Promise<void>;
  #isComplete = false;
  readonly #changed = new Condition();

  constructor(connection: DaemonConnection, name: string, signal: AbortSignal) {
    this.#name = name;
    this.#failed.promise.catch(() => undefined);
    this.#loaded = this.#load(connection, signal);
    this.#loaded.catch(this.#failed.reject);
  }

  async add(entry: UploadEntry): Promise<void> {
    const sent = Promise.withResolvers<void>();
    sent.promise.catch(() => undefined);
    this.#waiting.push({ entry, sent });
    this.#changed.notify();
    await Promise.race([sent.promise, this.#failed.promise]);
  }

  /**
   * Call after adding all files; waits until the daemon has loaded the image.
   * @throws Fault `loading image "<name>". first error: ...` for an error anywhere in the daemon's response
   * (docs/compatibility.md#daemon-load-errors)
   */
  async end(): Promise<void> {
    this.#isComplete = true;
    this.#changed.notify();
    await this.#loaded;
  }

  async #load({ docker }: DaemonConnection, signal: AbortSignal): Promise<void> {
    const request = { method: "POST", path: "/images/load", query: { quiet: "1" }, body: this.#body() } as const;
    try {
      checkResponse(await docker.text(request, signal));
      if (!this.#isComplete)
        throw new Fault("EXPORT_DAEMON_LOAD", "the response came before the whole image was sent", {
          hint: NOT_DOCKER,
        });
    } catch (error) {
      signal.throwIfAborted();
      if (!isDockerFault(error)) throw error;
      throw withContext(`loading image ${goQuote(this.#name)}. first error`, noRoomFault(error) ?? error);
    }
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield* tarEntry(next.entry);
        next.sent.resolve();
      } else if (this.#isComplete) break;
      else await this.#changed.next;
    }
    yield TAR_END;
  }
}

const NOT_DOCKER =
  "Check that a Docker API listens at DOCKER_HOST, and the proxy in front of it, if there is one: the response to the image is not Docker's.";

/** `maxLayerDepth` in https://github.com/moby/moby/blob/v28.5.2/layer/layer_store.go */
const TOO_MANY_LAYERS =
  "The image has more layers than the daemon stores, 125 unless it stores them in containerd: use a run image or buildpacks with fewer layers.";

/**
 * Only the text of a response says that an image does not fit: Docker sends it after it has read the whole request,
 * podman with an error status.
 * @returns undefined for another failure
 */
function noRoomFault(fault: Fault): Fault | undefined {
  const { message, destination } = fault;
  const hint = message.includes("max depth exceeded") ? TOO_MANY_LAYERS : undefined;
  if (hint === undefined && !/no space left on device|disk quota exceeded/.test(message)) return undefined;
  return new Fault("EXPORT_DAEMON_FULL", message, { hint, destination, cause: fault });
}

const messageType = struct({ error: text, errorDetail: pointer(struct({ message: text })) });

/** The reference reads the first message only, so that what follows need not be JSON. */
function checkResponse(response: string): void {
  const messages = [...decodeEach(response, messageType)];
  if (messages.length === 0)
    throw new Fault("EXPORT_DAEMON_LOAD", "parsing daemon response: EOF", { hint: NOT_DOCKER });
  for (const [i, message] of messages.entries()) {
    if (message.ok) {
      const { error, errorDetail } = message.value;
      const reason = errorDetail?.message || error;
      if (errorDetail !== undefined || reason !== "")
        throw new Fault("EXPORT_DAEMON_LOAD", `embedded daemon response: ${reason}`);
    } else if (i === 0) throw new Fault("EXPORT_DAEMON_LOAD", `parsing daemon response: ${message.problem}`);
  }
}
