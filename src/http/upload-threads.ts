import { Readable } from "node:stream";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { TaskThreads } from "../concurrency/task-threads.ts";
import { messageOf } from "../errors/fault.ts";
import { HttpError } from "./http-error.ts";
import type { Route } from "./routes.ts";
import type { RootVariables } from "./tls.ts";
import type { RawRequest, RawResponse } from "./transport.ts";
import { stallFault, type UploadBody, type UploadFile } from "./upload-body.ts";
import {
  errorFromWire,
  routeToWire,
  type UploadCommand,
  type UploaderSetup,
  type UploadNotice,
  type UploadReply,
  type UploadTask,
} from "./upload-task.ts";

export interface FileBody {
  readonly body: UploadBody;
  readonly file: UploadFile;
}

/** @returns undefined for a body that is not in a file */
export function fileBody(body: UploadBody): FileBody | undefined {
  return "openFile" in body.source ? { body, file: body.source } : undefined;
}

/**
 * Threads that send the bodies of large uploads, for machines on which one thread could not send what the others
 * compress. A thread gets a request with all of its headers, reads the body from the spool and answers with the
 * response. Everything that decides (retries, tokens, redirects, throttling, priorities) stays in the main thread.
 */
export class UploadThreads {
  readonly #threads: TaskThreads<UploadTask, UploadReply>;
  #hasFailed = false;

  /**
   * @param filename of workers/uploader.ts
   * @param connections of a thread to a host
   */
  constructor(
    filename: string,
    maxThreads: number,
    { SSL_CERT_FILE, SSL_CERT_DIR }: RootVariables,
    connections: number | undefined,
  ) {
    // The rest of the environment may hold credentials.
    const workerData: UploaderSetup = { environment: { SSL_CERT_FILE, SSL_CERT_DIR }, connections };
    // A thread that dies fails its requests, too.
    const start = { filename, workerData, maxThreads, startSize: 0 };
    this.#threads = new TaskThreads({ ...start, tasksAtOnce: "many", onError: () => undefined });
  }

  /** False after a thread has died: the main thread then repeats its requests, and sends all others. */
  get isAlive(): boolean {
    return !this.#hasFailed;
  }

  /** As `exchangeOver`, with at most the first 64 KiB of the response's body. */
  async exchange(route: Route, request: RawRequest, { body, file }: FileBody): Promise<RawResponse> {
    const { signal, body: _, ...rest } = request;
    signal?.throwIfAborted();
    body.begin();
    const { hooks } = body;
    const { admit, onPosition } = hooks;
    const { fileDescriptor, offset, close } = file.openFile();
    const { port1: port, port2 } = new MessageChannel();
    const send = (message: UploadCommand) => port.postMessage(message);
    const onStop = () => send({ kind: "stop" });
    const stop = AbortSignal.any([body.cancelled, body.signal]);
    stop.addEventListener("abort", onStop);
    port.on("message", (notice: UploadNotice) => {
      if (notice.kind === "position") onPosition(notice.position);
      else
        void admit?.(notice.bytes).then(
          () => send({ kind: "admitted" }),
          (error: unknown) => body.cancel(error),
        );
    });
    let isOver = false;
    this.#follow(file, () => isOver, send).catch((error: unknown) => {
      if (!isOver) body.cancel(error);
    });
    try {
      const task = uploadTask(port2, route, rest, body, { fileDescriptor, offset });
      const reply = await this.#threads.run(task, 1, port2).catch((error: unknown) => {
        this.#hasFailed = true;
        throw new HttpError("HTTP_THREAD", `the thread of the upload died: ${messageOf(error)}`);
      });
      signal?.throwIfAborted();
      onPosition(reply.position);
      if (reply.kind === "stalled") throw stallFault(hooks);
      if (reply.kind === "failed") throw errorFromWire(reply.error);
      const { status, headers } = reply;
      return { status, headers, body: Readable.from([Buffer.from(reply.body)]) };
    } finally {
      isOver = true;
      stop.removeEventListener("abort", onStop);
      port.close();
      await close();
    }
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }

  async #follow(file: UploadFile, isOver: () => boolean, send: (message: UploadCommand) => void): Promise<void> {
    for (let sent = 0, isComplete = false; !isComplete; ) {
      isComplete = !(await file.reaches(sent));
      if (isOver()) return;
      sent = file.available;
      send({ kind: "grown", available: sent, isComplete });
    }
  }
}

function uploadTask(
  port: MessagePort,
  route: Route,
  request: UploadTask["request"],
  { range, hooks }: UploadBody,
  file: Pick<UploadTask["body"], "fileDescriptor" | "offset">,
): UploadTask {
  const { destination, stallMs, listen, admit } = hooks;
  const body = {
    ...file,
    range,
    destination,
    stallMs,
    listenBytes: listen?.untilBytes,
    isAdmitted: admit !== undefined,
  };
  return { port, route: routeToWire(route), request, body };
}
