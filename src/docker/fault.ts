import { Fault, type FaultCode } from "../errors/fault.ts";
import { goReason, isNotExist, isSystemError } from "../go/errno.ts";
import { decodeFirst, struct, text } from "../go/json-decode.ts";
import { HttpError, isConnectTimeout } from "../http/http-error.ts";
import { describeNetworkError, describeProxyOrLookup } from "../http/network-faults.ts";
import { certificateHint, isBadCertificate } from "../http/network-hints.ts";
import { isPlainHttp, isUntrusted, tlsFailure } from "../http/tls-failures.ts";
import type { DockerHost } from "./host.ts";

export const DOCKER_NOT_FOUND: FaultCode = "EXPORT_DAEMON_NOT_FOUND";

export function isDockerFault(error: unknown): error is Fault {
  return error instanceof Fault && error.code.startsWith("EXPORT_DAEMON_");
}

export function isRefusal(error: unknown): boolean {
  return error instanceof Fault && (error.code === DOCKER_NOT_FOUND || error.code === REFUSED);
}

export function isForbidden(error: unknown): boolean {
  return isSystemError(error, "EACCES", "EPERM");
}

/** The connection failed, or broke before the daemon responded. */
export function isDisconnection(fault: Fault): boolean {
  return DISCONNECTIONS.has(fault.code);
}

const DISCONNECTIONS: ReadonlySet<FaultCode> = new Set([
  "EXPORT_DAEMON_BROKEN",
  "EXPORT_DAEMON_UNREACHABLE",
  "EXPORT_DAEMON_DENIED",
]);

const REFUSED: FaultCode = "EXPORT_DAEMON_REFUSED";

/** Docker's response to a path outside its API (moby's `pageNotFoundError`). */
const NO_ROUTE = "page not found";

/** moby's `versionUnsupportedError`. Only DOCKER_API_VERSION can cause it: without, the daemon's version is used. */
const WRONG_VERSION = /^client version \S+ is too (?:new|old)/;

/**
 * Worded like Docker's own client. It follows no redirect, because a POST would become a GET.
 * @param status 300 or more
 * @param body of the response
 */
export function dockerResponseFault(status: number, body: string, host: string): Fault {
  if (status < 400)
    return new Fault("EXPORT_DAEMON_ANSWER", `error during connect: ${host}: unexpected redirect in response`, {
      destination: host,
    });
  const response = decodeFirst(body, errorType);
  const message = response.ok ? response.value.message.trim() : "";
  // Errors of a proxy may be plain text.
  const plain = response.ok ? "" : body.trim();
  const problem = message || plain || `API returned a ${status} but provided no error-message`;
  const isMissing = status === 404 && message !== "" && message !== NO_ROUTE;
  return new Fault(isMissing ? DOCKER_NOT_FOUND : REFUSED, `Error response from daemon: ${problem}`, {
    destination: host,
    hint: isMissing ? undefined : refusalHint(status, message),
  });
}

function refusalHint(status: number, message: string): string | undefined {
  if (status === 404) return "Check DOCKER_HOST and DOCKER_API_VERSION: the response is not from a Docker API.";
  if (WRONG_VERSION.test(message)) return "Set DOCKER_API_VERSION to a version that the daemon supports, or unset it.";
  return undefined;
}

const errorType = struct({ message: text });

/** Worded like `doRequest` of https://pkg.go.dev/github.com/moby/moby/client@v0.5.1. */
export function dockerNetworkFault(error: unknown, { name, socketPath, tls, origin }: DockerHost): unknown {
  // An error of the request's own body.
  if (error instanceof Fault) return error;
  const failure = describeProxyOrLookup(new URL(origin), error);
  if (failure !== undefined)
    return new Fault("EXPORT_DAEMON_UNREACHABLE", `failed to connect to the docker API at ${name}: ${failure.text}`, {
      destination: name,
      cause: error,
      hint: failure.hint,
    });
  if (tls !== undefined && isCoded(error)) {
    const fault = tlsFault(error, name);
    if (fault !== undefined) return fault;
  }
  const destination = { destination: name, cause: error };
  const isSilent = isConnectTimeout(error);
  if (!isSilent && !(isSystemError(error) && error.syscall === "connect"))
    return new Fault(
      "EXPORT_DAEMON_BROKEN",
      `the connection to the docker API at ${name} broke: ${goReason(error)}`,
      destination,
    );
  if (isForbidden(error))
    return new Fault(
      "EXPORT_DAEMON_DENIED",
      `permission denied while trying to connect to the docker API at ${name}`,
      destination,
    );
  let problem = `Cannot connect to the Docker daemon at ${name}. Is the docker daemon running?`;
  if (isNotExist(error))
    problem = `failed to connect to the docker API at ${name}; check if the path is correct and if the daemon is running: dial unix ${socketPath}: connect: ${goReason(error)}`;
  else if (isSystemError(error, "EHOSTUNREACH", "ENETUNREACH"))
    problem = `error during connect: ${describeNetworkError(error.code, error)}`;
  return new Fault("EXPORT_DAEMON_UNREACHABLE", problem, destination);
}

function isCoded(error: unknown): error is Error & { readonly code: string } {
  return Error.isError(error) && "code" in error && typeof error.code === "string";
}

function tlsFault(error: Error & { readonly code: string }, name: string): Fault | undefined {
  const options = { destination: name, cause: error };
  if (isBadCertificate(error))
    return new Fault("EXPORT_DAEMON_TLS", `error during connect: ${name}: ${error.message}`, {
      ...options,
      hint: isUntrusted(error.code)
        ? "Put the CA of the daemon's certificate into ca.pem in DOCKER_CERT_PATH."
        : certificateHint(error.code, error, name),
    });
  if (isPlainHttp(error.code))
    return new Fault(
      "EXPORT_DAEMON_TLS",
      `error during connect: ${name}: http: server gave HTTP response to HTTPS client`,
      {
        ...options,
        hint: "The daemon does not speak TLS at this port: unset DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, or give the port for TLS, usually 2376, in DOCKER_HOST.",
      },
    );
  // In TLS 1.3 the client finishes its handshake before the server has verified the client's certificate.
  const isRefused =
    /^ERR_SSL_[\w/]+_ALERT_|^ERR_SSL_\w*CERTIFICATE/.test(error.code) || (error instanceof HttpError && error.isFirst);
  if (!isRefused) return undefined;
  return new Fault(
    "EXPORT_DAEMON_TLS",
    `the server probably has client authentication (--tlsverify) enabled; check your TLS client certification settings: ${name}: ${tlsFailure(error) ?? error.message}`,
    { ...options, hint: "Put a certificate that the daemon's CA has signed into cert.pem in DOCKER_CERT_PATH." },
  );
}
