import { ensureStatus, readAll } from "../../http/body.ts";
import { type Http, type HttpRequest, headerOf } from "../../http/http.ts";

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 256 << 10;

/** Lets a library that wants a `fetch` send through our own HTTP, so that proxies and certificates are the same as for registries. */
export function fetchThrough(http: Http, signal: AbortSignal): typeof fetch {
  return async (input, init = {}) => {
    const request = new Request(input, { ...init, signal });
    const bytes = new Uint8Array(await request.arrayBuffer());
    const sent: HttpRequest = {
      method: request.method as HttpRequest["method"],
      url: new URL(request.url),
      headers: Object.fromEntries(request.headers),
      body: bytes.length > 0 ? bytes : undefined,
      headersTimeoutMs: TIMEOUT_MS,
      signal,
    };
    const answer = await http.exchange(sent, false);
    await ensureStatus(sent, answer, [200]);
    const body = await readAll(sent, answer, MAX_ANSWER_BYTES);
    const type = headerOf(answer, "content-type") ?? "application/json";
    return new Response(new Uint8Array(body), { status: answer.status, headers: { "content-type": type } });
  };
}
