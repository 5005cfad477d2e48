import { messageOf } from "../faults/fault.ts";
import { certificateFailure, isUntrustedCode } from "./certificate-failure.ts";
import { redactUrl } from "./redact.ts";
import { RegistryFault, UNREACHABLE } from "./registry-fault.ts";

/** Node's and undici's error codes in Go's words; the value's second part says whether another try may help. */
const KNOWN: Readonly<Record<string, readonly [text: string, isTemporary: boolean]>> = {
  ECONNREFUSED: ["connect: connection refused", true],
  ECONNRESET: ["read: connection reset by peer", true],
  ECONNABORTED: ["software caused connection abort", true],
  EMFILE: ["too many open files", true],
  ENFILE: ["too many open files in system", true],
  EPIPE: ["write: broken pipe", true],
  ETIMEDOUT: ["connect: connection timed out", true],
  EHOSTUNREACH: ["connect: no route to host", true],
  ENETUNREACH: ["connect: network is unreachable", true],
  ENOTFOUND: ["no such host", false],
  EAI_AGAIN: ["temporary failure in name resolution", true],
  UND_ERR_SOCKET: ["EOF", true],
  UND_ERR_CONNECT_TIMEOUT: ["dial tcp: i/o timeout", true],
  UND_ERR_HEADERS_TIMEOUT: ["timeout awaiting response headers", true],
  UND_ERR_BODY_TIMEOUT: ["timeout awaiting response body", true],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["unexpected EOF", true],
  HPE_INVALID_EOF_STATE: ["unexpected EOF", true],
  ERR_SSL_WRONG_VERSION_NUMBER: ["http: server gave HTTP response to HTTPS client", false],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ["http: server gave HTTP response to HTTPS client", false],
};

/** True for the fault of a server that is there, and that nothing but another certificate or setting makes one to talk to. */
export function isUntrusted({ cause }: RegistryFault): boolean {
  return isUntrustedCode(codeOf(cause) ?? "");
}

function hintFor(code: string, url: URL): string | undefined {
  if (isUntrustedCode(code))
    return "Name the file of its authority in SSL_CERT_FILE, or give the registry to -insecure-registry.";
  // A plain http server answers a TLS handshake with something that is not TLS, and the other way round.
  const isOtherProtocol = code.startsWith("ERR_SSL") || code === "EPROTO" || code.startsWith("HPE_");
  return isOtherProtocol ? `Is ${url.host} a registry that speaks ${url.protocol.slice(0, -1)}?` : undefined;
}

function describe(code: string, error: unknown): readonly [text: string, isTemporary: boolean] {
  const failure = certificateFailure(code);
  if (failure !== undefined) return [failure, false];
  return KNOWN[code] ?? [messageOf(error).trim(), false];
}

/**
 * The fault of a request that got no complete answer, worded as Go's `*url.Error`: `Get "<url>": <reason>`.
 * A fault that came out of the request's own body passes unchanged.
 */
export function networkFault(method: string, url: URL, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const [text, isTemporary] = describe(code, error);
  const hint = hintFor(code, url);
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return new RegistryFault(UNREACHABLE, `${verb} "${redactUrl(url)}": ${addressOf(error)}${text}`, {
    isTemporary,
    destination: url.host,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  // Faults have codes of their own.
  return error.code.startsWith("EXPORT_") ? undefined : error.code;
}

/** `dial tcp <address>: ` for an error of connecting, as Go has it. */
function addressOf(error: unknown): string {
  if (!(error instanceof Error) || !("syscall" in error)) return "";
  if (error.syscall === "getaddrinfo" && "hostname" in error) return `dial tcp: lookup ${error.hostname}: `;
  if (error.syscall !== "connect" || !("address" in error) || !("port" in error)) return "";
  return `dial tcp ${error.address}:${error.port}: `;
}
