import { MessageChannel, type MessagePort } from "node:worker_threads";
import {
  type Arena,
  type BlockDone,
  type BlockTask,
  type Compression,
  type CompressorReply,
  type CompressorTask,
  createArena,
  type DigestDone,
  type DigesterReply,
  type DigestTask,
  type LayoutBlob,
  type SpoolFile,
  type StampedScan,
  type StoredTar,
  type TarIndex,
  type TreeStamp,
} from "../../workers/protocol.ts";
import { settledWithin } from "../concurrency/clock.ts";
import { allOrNone } from "../concurrency/task-threads.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import { fromWire } from "../errors/wire.ts";
import { mayHang, mayTreeHang } from "../files/local-file-systems.ts";
import type { ByteString } from "../go/byte-string.ts";
import type { DiffID } from "../oci/digest.ts";
import type { DirectorySource, LocalSource } from "../plan/layers.ts";
import { arenaNeeds } from "./compression.ts";
import { SlotPool, slotCount } from "./slots.ts";
import { SmallTasks } from "./small-tasks.ts";
import type { SpooledBlob } from "./spool.ts";
import { Threads, type WorkerEntries } from "./threads.ts";

const CLOSE_TIMEOUT_MS = 1000;

type Reply = CompressorReply | DigesterReply;
type Done<Kind extends Reply["kind"]> = Extract<Reply, { readonly kind: Kind }>;

type BlobSpool = Pick<SpooledBlob, "file" | "offset">;

export interface RunningDigest {
  readonly port: MessagePort;
  readonly done: Promise<DigestDone>;
}

/**
 * Runs the engine's tasks: small ones in this thread, until there are enough of them to pay for starting threads; from
 * then on all tasks in threads.
 */
export class WorkerPool {
  readonly workers: number;
  readonly arena: Arena;
  readonly slots: SlotPool;
  readonly #entries: WorkerEntries;
  readonly #compression: Compression;
  readonly #small: SmallTasks;
  #threads: Threads | undefined;
  readonly #waiting = new Set<(fault: Fault) => void>();
  #death: Fault | undefined;
  #isClosing = false;

  constructor(entries: WorkerEntries, workers: number, compression: Compression) {
    this.#entries = entries;
    this.workers = workers;
    this.#compression = compression;
    // This thread compresses as well.
    this.arena = createArena(slotCount(workers), workers + 1, arenaNeeds(compression));
    this.slots = new SlotPool(this.arena.slots);
    this.#small = new SmallTasks(this.arena, compression);
  }

  /**
   * Starts threads before their first task if directories will need them: they take 50 ms to start. Only threads work
   * on files that may hang, because this thread must hear signals.
   * @param others files and directories that are read or written, besides the directories that layers are made of
   */
  async startFor(directories: readonly ByteString[], others: readonly ByteString[] = []): Promise<void> {
    const hanging = await Promise.all([...directories.map(mayTreeHang), ...others.map(mayHang)]);
    if (hanging.includes(true) || this.#small.exceeds(directories)) this.#started();
  }

  start(): void {
    this.#started();
  }

  get isDead(): boolean {
    return this.#death !== undefined;
  }

  async scan(source: LocalSource): Promise<readonly TarIndex[]> {
    const indexes = this.#isAlone ? this.#small.scan(source) : undefined;
    return indexes ?? (await this.#compress({ kind: "scan", source })).indexes;
  }

  async scanStamped(source: DirectorySource): Promise<StampedScan> {
    const scan = this.#isAlone ? await this.#small.scanStamped(source) : undefined;
    return scan ?? (await this.#compress({ kind: "stamped-scan", source }));
  }

  async stamp(source: DirectorySource): Promise<TreeStamp> {
    const scan = this.#isAlone ? await this.#small.scanStamped(source) : undefined;
    return scan?.stamp ?? (await this.#compress({ kind: "stamp", source })).stamp;
  }

  async copy(source: LayoutBlob, spool: SpoolFile): Promise<StoredTar> {
    const { tarSize } = await this.#compress({ kind: "copy", source, spool });
    return { fileDescriptor: spool.fileDescriptor, tarSize };
  }

  async block(task: BlockTask): Promise<BlockDone> {
    const reply = this.#takes(1) ? await this.#small.block(task) : undefined;
    return reply?.kind === "block-done" ? reply : await this.#compress(task);
  }

  digest(kind: DigestTask["kind"], blocks: number, spool?: BlobSpool): RunningDigest {
    const { port1, port2 } = new MessageChannel();
    const task: DigestTask = { kind, port: port2, spool: spool?.file, offset: spool?.offset ?? 0 };
    const reply = this.#takes(blocks)
      ? this.#small.digest(task)
      : this.#awaitReply(this.#started().digest(task, blocks, port2));
    return { port: port1, done: reply.then((done) => unwrap(done, "digest-done")) };
  }

  async hashFile(path: string): Promise<DiffID> {
    const reply = this.#started().digest({ kind: "hash-file", path }, Number.POSITIVE_INFINITY);
    const { sha256 } = unwrap(await this.#awaitReply(reply), "hash-file-done");
    return `sha256:${sha256}` as DiffID;
  }

  get #isAlone(): boolean {
    return this.#threads === undefined;
  }

  #takes(blocks: number): boolean {
    return this.#isAlone && this.#small.takes(blocks);
  }

  async #compress<Kind extends CompressorTask["kind"]>(
    task: CompressorTask & { readonly kind: Kind },
  ): Promise<Done<`${Kind}-done`>> {
    return unwrap(await this.#awaitReply(this.#started().compress(task)), `${task.kind}-done`);
  }

  #started(): Threads {
    try {
      const setup = { arena: this.arena, compression: this.#compression };
      const onError = (error: unknown) => this.#onThreadDeath(error);
      this.#threads ??= allOrNone(() => new Threads(this.#entries, this.workers, setup, onError));
      return this.#threads;
    } catch (error) {
      throw deathFault(error);
    }
  }

  async #awaitReply<Reply>(reply: Promise<Reply>): Promise<Reply> {
    reply.catch((error: unknown) => this.#onThreadDeath(error));
    if (this.#death !== undefined) throw this.#death;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting.add(reject);
    reply.then(resolve, () => undefined);
    return await promise.finally(() => this.#waiting.delete(reject));
  }

  #onThreadDeath(error: unknown): void {
    if (!this.#isClosing) this.#rejectTasks(deathFault(error));
  }

  #rejectTasks(fault: Fault): void {
    this.#death ??= fault;
    for (const reject of this.#waiting) reject(this.#death);
  }

  /**
   * Rejects all tasks once no thread works on their files. A thread that a system call holds for longer than
   * {@link CLOSE_TIMEOUT_MS} is left behind.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#threads === undefined) return;
    const ended = this.#threads.close().then(() => {
      this.#rejectTasks(new Fault("EXPORT_CANCELLED", "the worker threads were ended"));
    });
    await settledWithin(CLOSE_TIMEOUT_MS, ended);
  }
}

function deathFault(error: unknown): Fault {
  return new Fault("EXPORT_LAYER_THREAD", `a worker thread died: ${messageOf(error)}`, {
    cause: error,
  });
}

function unwrap<Kind extends Reply["kind"]>(reply: Reply, kind: Kind): Done<Kind> {
  if (reply.kind === "failed") throw fromWire(reply.fault);
  if (isOf(kind, reply)) return reply;
  throw new Fault("EXPORT_INTERNAL", `a worker thread replied ${reply.kind}, not ${kind}`);
}

function isOf<Kind extends Reply["kind"]>(kind: Kind, reply: Reply): reply is Done<Kind> {
  return reply.kind === kind;
}
