import { sleep } from "../concurrency/clock.ts";
import { messageOf } from "../errors/fault.ts";
import { discard, ensureStatus } from "../http/body.ts";
import { type Challenge, parseChallenges } from "../http/challenge.ts";
import { RegistryFault, UNREACHABLE } from "../http/faults.ts";
import type { Http } from "../http/http.ts";
import { isTlsFailure } from "../http/network-faults.ts";
import { exchangeFollowing, refusePrivate } from "../http/redirects.ts";
import { refusesTls } from "../http/tls-probe.ts";
import { isLocalRegistry } from "../oci/reference.ts";
import { pickChallenge } from "./login.ts";

export type Scheme = "http:" | "https:";

/** Compares host and port as URLs have them: in their shortest form. A default port is that of `scheme`. */
export function isOnRegistry({ host }: URL, registry: string, scheme: Scheme): boolean {
  return new URL(`${scheme}//${host}`).host === new URL(`${scheme}//${registry}`).host;
}

/**
 * Resolves a Location header. On the registry's own host the scheme that worked replaces the given one, because
 * registries behind a TLS-terminating proxy often answer `http://`.
 */
export function resolveLocation(location: string, base: URL, registry: string, scheme: Scheme): URL | undefined {
  const url = URL.parse(location, base);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  if (isOnRegistry(url, registry, scheme)) url.protocol = scheme;
  return url;
}

const FALLBACK_MS = 300;

export interface RegistryAddress {
  readonly http: Http;
  readonly registry: string;
  readonly isInsecure: boolean;
}

export interface PingResult {
  readonly scheme: Scheme;
  readonly challenge: Challenge | undefined;
}

/**
 * GET /v2/ (docs/compatibility.md#registry-handshake): https, and for insecure and local registries also http, which
 * starts once https has failed or taken 300 ms. The first success wins. A server that does not speak TLS is contacted
 * over http at once.
 * @throws RegistryFault if neither answers with 200 or 401
 */
export async function ping(address: RegistryAddress, signal?: AbortSignal): Promise<PingResult> {
  const { registry } = address;
  if (!mayBePlain(address)) return pingWith(address, "https:", signal);
  if (await refusesTls(registry, signal)) return pingWith(address, "http:", signal);
  const lost = new AbortController();
  const stop = signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]);
  const secure = pingWith(address, "https:", stop);
  const plain = Promise.race([secure, sleep(FALLBACK_MS, stop)])
    .catch(() => undefined)
    .then(() => pingWith(address, "http:", stop));
  try {
    return await Promise.any([secure, plain]);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(registry, error instanceof AggregateError ? error.errors : [error], error);
  } finally {
    lost.abort();
  }
}

function mayBePlain({ registry, isInsecure }: RegistryAddress): boolean {
  return isInsecure || isLocalRegistry(registry);
}

function unreachable(registry: string, failures: readonly unknown[], cause: unknown): RegistryFault {
  const faults = failures.filter((failure) => failure instanceof RegistryFault);
  // A TLS server's failure over http says nothing about later attempts.
  const ofTls = faults.filter(isTlsFailure);
  const telling = ofTls.length > 0 ? ofTls : faults;
  const hints = new Set(telling.flatMap(({ ownHint }) => ownHint ?? []));
  const asked = faults.flatMap(({ retryAfterMs }) => retryAfterMs ?? []);
  return new RegistryFault(UNREACHABLE, failures.map(messageOf).join("; "), {
    isTemporary: telling.some(({ isTemporary }) => isTemporary),
    status: faults.find(({ status }) => status !== undefined)?.status,
    silentMs: Math.max(0, ...telling.map(({ silentMs }) => silentMs)),
    hasNeverAnswered: telling.length > 0 && telling.every((fault) => fault.hasNeverAnswered),
    retryAfterMs: asked.length === 0 ? undefined : Math.max(...asked),
    destination: registry,
    cause,
    hint: hints.size === 0 ? undefined : [...hints].join(" "),
  });
}

async function pingWith(
  address: RegistryAddress,
  scheme: Scheme,
  signal: AbortSignal | undefined,
): Promise<PingResult> {
  signal?.throwIfAborted();
  const { http, registry, isInsecure } = address;
  const url = new URL(`${scheme}//${registry}/v2/`);
  const request = { method: "GET", url, headersTimeoutMs: http.timeouts.responseMs, signal } as const;
  const response = await exchangeFollowing(http, request, {
    isInsecure,
    authorizationFor: () => undefined,
    check: (to) => refusePrivate("redirect", url, to),
  });
  await ensureStatus(request, response, [200, 401]).catch((error: unknown) => {
    throw isNoRegistry(error) ? error.withHint(NO_REGISTRY, registry, "EXPORT_REGISTRY_PROTOCOL") : error;
  });
  await discard(response);
  const challenges = response.status === 401 ? parseChallenges(response.headers["www-authenticate"]) : [];
  // A redirect to http does not allow sending passwords in the clear.
  const isPlain = scheme === "http:" || (mayBePlain(address) && response.url.protocol === "http:");
  return { scheme: isPlain ? "http:" : "https:", challenge: pickChallenge(challenges) };
}

const NO_REGISTRY = "Check that the address is a registry's: it does not have the path /v2/.";

function isNoRegistry(error: unknown): error is RegistryFault {
  return error instanceof RegistryFault && error.status === 404;
}
