import type { Readable } from "node:stream";
import { Fault } from "../errors/fault.ts";
import { MAX_ERROR_BODY_BYTES, redactUrl, responseFault } from "./faults.ts";
import { type HttpRequest, type HttpResponse, headerOf } from "./http.ts";
import { networkFault } from "./network-faults.ts";
import { requiredLogin } from "./tunnel.ts";

/**
 * Accepts a response with one of the expected statuses and leaves its body unread.
 * @throws RegistryFault for any other status, with the message in its body
 */
export async function ensureStatus(
  { method }: Pick<HttpRequest, "method">,
  response: HttpResponse,
  expected: readonly number[],
): Promise<void> {
  if (expected.includes(response.status)) return;
  const { url, status, proxy } = response;
  const body = (await readBriefly(response.body)).toString("utf8");
  const [retryAfter, date] = [headerOf(response, "retry-after"), headerOf(response, "date")];
  const challenges = [response.headers["proxy-authenticate"] ?? []].flat();
  const proxyLogin =
    status === 407 && proxy !== undefined ? { proxy: proxy.host, ...requiredLogin(proxy, challenges) } : undefined;
  throw responseFault({ method, url, status, retryAfter, date, body, proxyLogin });
}

export async function discard({ body }: Pick<HttpResponse, "body">): Promise<void> {
  await readBriefly(body);
}

/** Most bodies of errors arrive with their head. Some servers send neither a length nor an end, so theirs never end. */
const BRIEF_MS = 2000;

/**
 * Reads a body for which the status would be enough: what arrives within {@link BRIEF_MS}, up to
 * {@link MAX_ERROR_BODY_BYTES}. Never rejects.
 */
export async function readBriefly(body: Readable): Promise<Buffer> {
  // After a pause of the process, what has arrived meanwhile is read first.
  const timer = setTimeout(() => setImmediate(() => body.destroy()), BRIEF_MS);
  const { bytes } = await readBody(body, MAX_ERROR_BODY_BYTES);
  clearTimeout(timer);
  return bytes;
}

/** @throws Fault if the body is longer than `maxBytes`; RegistryFault if it breaks off */
export async function readAll(
  { method, signal }: Pick<HttpRequest, "method" | "signal">,
  response: HttpResponse,
  maxBytes: number,
): Promise<Buffer> {
  const { bytes, end } = await readBody(response.body, maxBytes);
  if (end === "complete") return bytes;
  if (end === "too long")
    throw new Fault(
      "EXPORT_REGISTRY_TOO_LARGE",
      `${method} ${redactUrl(response.url)}: the response is longer than ${maxBytes} bytes`,
    );
  signal?.throwIfAborted();
  throw networkFault(method, response, end.error);
}

interface BoundedBody {
  readonly bytes: Buffer;
  readonly end: "complete" | "too long" | { readonly error: unknown };
}

/** Reads a body up to a limit; the rest stays unread, which ends the connection. Never rejects. */
export async function readBody(body: AsyncIterable<Buffer>, maxBytes: number): Promise<BoundedBody> {
  const chunks: Buffer[] = [];
  let size = 0;
  let end: BoundedBody["end"] = "complete";
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= maxBytes) continue;
      end = "too long";
      break;
    }
  } catch (error) {
    end = { error };
  }
  return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), end };
}
