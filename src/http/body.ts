import { Fault } from "../errors/fault.ts";
import { answerFault, MAX_ERROR_BODY_BYTES, networkFault, redactUrl } from "./faults.ts";
import { type HttpAnswer, type HttpRequest, headerOf } from "./http.ts";

/**
 * Lets an answer with one of the wanted statuses pass, with its body unread.
 * @throws RegistryFault for any other, after reading what its body says
 */
export async function ensureStatus(request: HttpRequest, answer: HttpAnswer, wanted: readonly number[]): Promise<void> {
  if (wanted.includes(answer.status)) return;
  const body = await readStart(answer);
  throw answerFault({
    method: request.method,
    url: answer.url,
    status: answer.status,
    retryAfter: headerOf(answer, "retry-after"),
    body,
  });
}

/** Reads the rest of an answer and throws it away, so that its connection can be used again. */
export async function discard(answer: HttpAnswer): Promise<void> {
  await answer.body.dump({ limit: MAX_ERROR_BODY_BYTES }).catch(() => undefined);
}

/**
 * The whole body.
 * @throws Fault when it is longer than `maxBytes`; RegistryFault when it breaks off
 */
export async function readAll(request: HttpRequest, answer: HttpAnswer, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes)
        throw new Fault(
          "EXPORT_REGISTRY_TOO_LARGE",
          `${request.method} ${redactUrl(answer.url)}: the answer is longer than ${maxBytes} bytes`,
        );
      chunks.push(chunk);
    }
  } catch (error) {
    request.signal?.throwIfAborted();
    throw networkFault(request.method, answer.url, error);
  }
  return Buffer.concat(chunks, size);
}

async function readStart(answer: HttpAnswer): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MAX_ERROR_BODY_BYTES) break;
    }
  } catch {
    // The status says enough when the body breaks off.
  }
  return Buffer.concat(chunks).subarray(0, MAX_ERROR_BODY_BYTES).toString("utf8");
}
