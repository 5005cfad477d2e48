import { RegistryFault } from "../../http/faults.ts";
import type { Http, HttpRequest } from "../../http/http.ts";

/** A request as the AWS SDK hands it to its HTTP handler. */
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

/** An endpoint that has not answered by then is tried again by the SDK. */
const TIMEOUT_MS = 10_000;

/** Lets the AWS SDK send through our own HTTP, so that proxies and certificates are the same as for registries. */
export function sdkHandler(http: Http) {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}) {
      const { method, headers, body } = request;
      const { host: _host, "content-length": _length, ...others } = headers;
      try {
        const answer = await http.exchange(
          {
            method: method as HttpRequest["method"],
            url: urlOf(request),
            headers: others,
            body: typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : undefined,
            headersTimeoutMs: TIMEOUT_MS,
            signal: abortSignal,
          },
          false,
        );
        const flat = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const);
        return { response: { statusCode: answer.status, headers: Object.fromEntries(flat), body: answer.body } };
      } catch (error) {
        // The SDK knows Node's errors, and which of them to retry.
        throw error instanceof RegistryFault && error.cause instanceof Error ? error.cause : error;
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
