import { type MessagePort, workerData } from "node:worker_threads";
import { SYSTEM_CLOCK } from "../src/concurrency/clock.ts";
import { Condition } from "../src/concurrency/condition.ts";
import { type GrowingFile, readGrowing } from "../src/files/growing-file.ts";
import { readBriefly } from "../src/http/body.ts";
import { Routes } from "../src/http/routes.ts";
import { exchangeOver } from "../src/http/transport.ts";
import { LISTEN_MS, UploadBody, type UploadSource } from "../src/http/upload-body.ts";
import {
  errorToWire,
  routeFromWire,
  type UploadCommand,
  type UploaderSetup,
  type UploadNotice,
  type UploadReply,
  type UploadTask,
} from "../src/http/upload-task.ts";

/* A thread that sends large uploads (src/http/upload-threads.ts). It keeps its own connections. */

const setup: UploaderSetup = workerData;
const routes = new Routes(setup.environment, setup.connections);

export default async ({ port, route, request, body }: UploadTask): Promise<UploadReply> => {
  const stop = new AbortController();
  const source = new RemoteFile(body, port, stop);
  const { destination, stallMs, range, listenBytes, isAdmitted } = body;
  let position = range.from;
  const hooks = {
    ...{ destination, stallMs },
    admit: isAdmitted ? (bytes: number) => source.admit(bytes) : undefined,
    listen:
      listenBytes === undefined
        ? undefined
        : { pause: () => SYSTEM_CLOCK.wait(LISTEN_MS, stop.signal), untilBytes: listenBytes },
    onPosition: (reached: number) => {
      position = reached;
      source.notify({ kind: "position", position });
    },
  };
  const sent = new UploadBody(source, range, hooks, stop.signal);
  try {
    const connections = routes.connectionsOf(routeFromWire(route));
    const response = await exchangeOver(connections, { ...request, body: sent, signal: sent.signal });
    const bytes = await readBriefly(response.body);
    // The body ended early because its file could not be read. If it was stopped, the main thread knows, and needs the
    // response.
    if (!stop.signal.aborted) sent.cancelled.throwIfAborted();
    return { kind: "answered", status: response.status, headers: response.headers, body: bytes, position };
  } catch (error) {
    return sent.isStalled ? { kind: "stalled", position } : { kind: "failed", error: errorToWire(error), position };
  } finally {
    sent.close();
    // A response may come before the body is sent.
    stop.abort();
    await source.isUnread;
    port.close();
  }
};

/** A file that the main thread's other threads write; the main thread reports how much of it there is. */
class RemoteFile implements GrowingFile, UploadSource {
  readonly fileDescriptor: number;
  readonly offset: number;
  available = 0;
  readonly #port: MessagePort;
  readonly #stop: AbortSignal;
  readonly #changed = new Condition();
  #isComplete = false;
  #admitted: PromiseWithResolvers<void> | undefined;
  #reading: PromiseWithResolvers<void> | undefined;

  constructor({ fileDescriptor, offset }: UploadTask["body"], port: MessagePort, stop: AbortController) {
    this.fileDescriptor = fileDescriptor;
    this.offset = offset;
    this.#port = port;
    this.#stop = stop.signal;
    port.on("message", (command: UploadCommand) => {
      if (command.kind === "stop") stop.abort();
      else if (command.kind === "admitted") this.#admitted?.resolve();
      else {
        this.available = command.available;
        this.#isComplete = command.isComplete;
        this.#changed.notify();
      }
    });
    stop.signal.addEventListener("abort", () => {
      this.#admitted?.resolve();
      this.#changed.notify();
    });
  }

  /** Resolves once no read is under way; there is one at most. */
  get isUnread(): Promise<void> | undefined {
    return this.#reading?.promise;
  }

  notify(notice: UploadNotice): void {
    this.#port.postMessage(notice);
  }

  async admit(bytes: number): Promise<void> {
    this.#admitted = Promise.withResolvers();
    this.notify({ kind: "admit", bytes });
    await this.#admitted.promise;
    this.#stop.throwIfAborted();
  }

  async reaches(bytes: number, signal = this.#stop): Promise<boolean> {
    for (;;) {
      signal.throwIfAborted();
      if (this.available > bytes) return true;
      if (this.#isComplete) return false;
      await this.#changed.next;
    }
  }

  async *read(from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#reading = Promise.withResolvers();
    try {
      yield* readGrowing(this, from, signal);
    } finally {
      this.#reading.resolve();
    }
  }
}
