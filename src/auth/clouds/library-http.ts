import { ensureStatus, readAll } from "../../http/body.ts";
import { RegistryFault } from "../../http/faults.ts";
import { type Http, type HttpRequest, headerOf } from "../../http/http.ts";
import { MAX_RESPONSE_BYTES } from "./context.ts";

const FETCH_TIMEOUT_MS = 15_000;

interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const SDK_TIMEOUT_MS = 10_000;

export function sdkHandler(http: Http) {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}) {
      const { method, headers, body } = request;
      const { host: _host, "content-length": _length, ...others } = headers;
      try {
        const response = await http.exchange(
          {
            method: method as HttpRequest["method"],
            url: urlOf(request),
            headers: others,
            body: typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : undefined,
            headersTimeoutMs: SDK_TIMEOUT_MS,
            signal: abortSignal,
          },
          false,
        );
        const flat = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const);
        return { response: { statusCode: response.status, headers: Object.fromEntries(flat), body: response.body } };
      } catch (error) {
        // The SDK decides on retries by Node's errors.
        throw error instanceof RegistryFault && Error.isError(error.cause) ? error.cause : error;
      }
    },
  };
}

function urlOf({ protocol, hostname, port, path, query = {} }: SdkRequest): URL {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, one ?? "");
  return url;
}

export function fetchThrough(http: Http, signal: AbortSignal): typeof fetch {
  return async (input, init = {}) => {
    const request = new Request(input, { ...init, signal });
    const bytes = new Uint8Array(await request.arrayBuffer());
    const sent: HttpRequest = {
      method: request.method as HttpRequest["method"],
      url: new URL(request.url),
      headers: Object.fromEntries(request.headers),
      body: bytes.length > 0 ? bytes : undefined,
      headersTimeoutMs: FETCH_TIMEOUT_MS,
      signal,
    };
    const response = await http.exchange(sent, false);
    await ensureStatus(sent, response, [200]);
    const body = await readAll(sent, response, MAX_RESPONSE_BYTES);
    const type = headerOf(response, "content-type") ?? "application/json";
    return new Response(new Uint8Array(body), { status: response.status, headers: { "content-type": type } });
  };
}
