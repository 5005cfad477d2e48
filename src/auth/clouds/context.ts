import { Fault } from "../../errors/fault.ts";
import { registerSecret } from "../../errors/secrets.ts";
import { struct, text, unmarshal } from "../../go/json-decode.ts";
import { ensureStatus, readAll } from "../../http/body.ts";
import type { Http, HttpRequest } from "../../http/http.ts";
import type { Environment } from "../../process/environment.ts";

export interface CloudContext {
  readonly http: Http;
  readonly environment: Environment;
  readonly home: string;
  readonly signal: AbortSignal;
}

/** Metadata services are on the machine's own network: one that has not answered by then does not exist. */
export const METADATA_TIMEOUT_MS = 1_000;

const TOKEN_TIMEOUT_MS = 15_000;

export const MAX_RESPONSE_BYTES = 256 << 10;

/** `isLocal`: to a service of the machine itself, so without a proxy. */
interface CloudTokenRequest {
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
  readonly isLocal: boolean;
  readonly signal: AbortSignal;
}

export async function askForToken(http: Http, details: CloudTokenRequest, member: string): Promise<string> {
  const { url, form, isLocal, signal } = details;
  const request: HttpRequest = {
    method: form === undefined ? "GET" : "POST",
    url,
    headers: { ...details.headers, ...(form && { "content-type": "application/x-www-form-urlencoded" }) },
    body: form && Buffer.from(new URLSearchParams(form).toString()),
    headersTimeoutMs: TOKEN_TIMEOUT_MS,
    signal,
  };
  const response = await http.exchange(request, isLocal);
  await ensureStatus(request, response, [200]);
  const token = parseToken(await readAll(request, response, MAX_RESPONSE_BYTES), member);
  // The response is not shown: it may hold a token under another name.
  if (token === undefined) throw new Fault("EXPORT_AUTH_CLOUD", `no ${member} in the response of ${url.host}`);
  registerSecret(token);
  return token;
}

function parseToken(body: Buffer, member: string): string | undefined {
  const response = unmarshal(body, struct({ [member]: text }));
  return (response.ok && response.value[member]) || undefined;
}
