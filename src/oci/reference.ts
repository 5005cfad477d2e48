import { Fault } from "../errors/fault.ts";
import { type Digest, isSha256 } from "./digest.ts";

export const DOCKER_HUB = "index.docker.io";

const HUB_ALIAS = "docker.io";

const BRACKETED = /^\[[0-9A-Fa-f:.]+\](?::\d*)?$/;

const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=<>"\u00a0-\uffff]*(?::\d*)?$/;

/**
 * True for a valid URI authority without user information, as go-containerregistry checks it (pkg/name/registry.go): an
 * IPv6 literal, checked roughly, or the characters that Go's net/url accepts unescaped in a host, each with a port. It
 * must also be possible in a URL, which the reference notices only when it connects. "" stands for Docker Hub.
 */
function isRegistryName(name: string): boolean {
  const isAuthority = name.startsWith("[") ? BRACKETED.test(name) : HOST.test(name);
  return isAuthority && (name === "" || URL.canParse(`https://${name}/`));
}

function canonicalRegistry(name: string): string {
  return name === "" || name === HUB_ALIAS ? DOCKER_HUB : name;
}

const LOCAL = [
  /^localhost:/,
  /\.localhost(?::\d{1,5})?$/,
  /^127\.0\.0\.1(?::\d{1,5})?$/,
  /^(?:::1|\[::1\](?::\d{1,5})?)$/,
];
const IPV4_START = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::|$)/;

/**
 * True for a registry that may use http without being listed as insecure (docs/compatibility.md#registry-handshake):
 * `localhost:<port>`, `*.localhost`, 127.0.0.1, ::1 and the private IPv4 ranges of RFC 1918.
 */
export function isLocalRegistry(registry: string): boolean {
  if (LOCAL.some((pattern) => pattern.test(registry))) return true;
  const parts = IPV4_START.exec(registry)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return false;
  const [first, second] = parts as [number, number, number, number];
  return first === 10 || (first === 172 && second >= 16 && second <= 31) || (first === 192 && second === 168);
}

const [MIN_REPOSITORY, MAX_REPOSITORY] = [2, 255];
const REPOSITORY = new RegExp(`^[a-z0-9_\\-./]{${MIN_REPOSITORY},${MAX_REPOSITORY}}$`);
const TAG = /^[A-Za-z0-9_\-.]{1,128}$/;
const DEFAULT_TAG = "latest";

/**
 * A registry, by host and port and never "" (`index.docker.io`, `localhost:5000`), and a path in it, with Docker Hub's
 * implicit `library/`.
 */
export class Repository {
  readonly registry: string;
  readonly path: string;

  constructor(registry: string, path: string) {
    this.registry = registry;
    this.path = registry === DOCKER_HUB && !path.includes("/") ? `library/${path}` : path;
  }

  get name(): string {
    return `${this.registry}/${this.path}`;
  }

  withDigest(digest: Digest): Reference {
    return new Reference(`${this.name}@${digest}`, this, undefined, digest);
  }
}

/**
 * Has either a tag or a digest. `name` is the full name: `index.docker.io/library/busybox:latest`,
 * `localhost:5000/app@sha256:...`; `original` is what was typed.
 */
export class Reference {
  readonly original: string;
  readonly repository: Repository;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;

  constructor(original: string, repository: Repository, tag: string | undefined, digest: Digest | undefined) {
    this.original = original;
    this.repository = repository;
    this.tag = tag;
    this.digest = digest;
  }

  get registry(): string {
    return this.repository.registry;
  }

  get identifier(): string {
    return this.digest ?? this.tag ?? DEFAULT_TAG;
  }

  get name(): string {
    return `${this.repository.name}${this.digest === undefined ? ":" : "@"}${this.identifier}`;
  }

  toString(): string {
    return this.original;
  }
}

/**
 * Parses a reference with go-containerregistry's weak validation (docs/compatibility.md#image-references): first as a
 * name with a tag, then as a name with a digest, dropping a tag before the `@`.
 * @throws Fault `could not parse reference: <text>`
 */
export function parseReference(text: string): Reference {
  const reference = parseTagged(text) ?? parseDigested(text);
  if (reference !== undefined) return reference;
  throw referenceFault(text, flawIn(text));
}

/**
 * As {@link parseReference}, but refuses URLs, some of which would parse as an image of a registry named like the
 * scheme.
 * @param what where the text comes from; the hint of a fault names it
 */
export function parseGivenReference(what: string, text: string): Reference {
  try {
    if (SCHEME.test(text)) throw referenceFault(text, flawIn(text));
    return parseReference(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const hint = `Correct ${what}. ${error.hint ?? ""}`.trimEnd();
    throw new Fault(error.code, error.message, { cause: error, hint });
  }
}

export function referenceFault(text: string, hint: string): Fault {
  return new Fault("EXPORT_INPUT_REFERENCE", `could not parse reference: ${withoutCredentials(text)}`, { hint });
}

/** Of a name or a URL that is to be shown. */
export function withoutCredentials(text: string): string {
  return text.replace(CREDENTIALS, (_, scheme = "") => `${scheme}[redacted]@`);
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** User information of a URL, or user and password before a host; text before a digest is a name. */
const CREDENTIALS =
  /^(?:([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+|[^/@\s:]*:[^/@\s]+)@(?!sha\d+:|\w+:[0-9a-f]{32,}$)(?=[^@/]*[./:])/i;

const EXAMPLE = "registry.example.com/team/app:1.0";

function flawIn(text: string): string {
  if (text === "") return `Give the repository a name, e.g. ${EXAMPLE}; the variable that it comes from may be empty.`;
  if (CREDENTIALS.test(text))
    return "Leave out the credentials: give them in CNB_REGISTRY_AUTH or docker's config.json.";
  const scheme = SCHEME.exec(text)?.[0];
  if (scheme !== undefined) return `Leave out ${scheme}, e.g. ${EXAMPLE}.`;
  if (/\s/.test(text)) return `Leave out blanks and line breaks, e.g. ${EXAMPLE}.`;
  const [name = "", digest, ...more] = text.split("@");
  if (digest !== undefined && (more.length > 0 || !isSha256(digest)))
    return `Write one digest after the name: @sha256: and 64 lower-case hex digits, e.g. app@sha256:${"0".repeat(64)}.`;
  const { base } = splitTag(name);
  const { registry, path } = splitRegistry(base);
  if (!isRegistryName(registry))
    return `Write the registry as host or host:port: ${registry} is none, e.g. ${EXAMPLE}.`;
  const prefix = registry === "" ? "" : `${registry}/`;
  if (/[A-Z]/.test(path))
    return `Use lower-case letters in the repository, e.g. ${validOr(EXAMPLE, prefix + path.toLowerCase())}.`;
  if (/[^a-z0-9_\-./]/.test(path))
    return `Use lower-case letters, digits, "_", "-", "." and "/" in the repository, e.g. ${EXAMPLE}.`;
  if (path.length < MIN_REPOSITORY)
    return `Give the repository a name of at least ${MIN_REPOSITORY} characters, e.g. ${prefix}team/app.`;
  if (path.length > MAX_REPOSITORY)
    return `Give the repository a name of at most ${MAX_REPOSITORY} characters; this one has ${path.length}.`;
  return `Use letters, digits, "_", "-" and "." in a tag, 1 to 128 of them, e.g. ${base}:1.0.`;
}

const validOr = (other: string, text: string) => (parseTagged(text) === undefined ? other : text);

function splitTag(text: string): { base: string; tag: string | undefined } {
  const colon = text.lastIndexOf(":");
  if (colon < 0 || text.includes("/", colon)) return { base: text, tag: undefined };
  return { base: text.slice(0, colon), tag: text.slice(colon + 1) };
}

function parseTagged(text: string): Reference | undefined {
  const { base, tag = DEFAULT_TAG } = splitTag(text);
  if (!TAG.test(tag)) return undefined;
  const repository = parseRepository(base);
  return repository === undefined ? undefined : new Reference(text, repository, tag, undefined);
}

function parseDigested(text: string): Reference | undefined {
  const [base, digest, ...more] = text.split("@");
  if (base === undefined || digest === undefined || more.length > 0 || !isSha256(digest)) return undefined;
  const repository = parseTagged(base)?.repository ?? parseRepository(base);
  return repository === undefined ? undefined : new Reference(text, repository, undefined, digest);
}

/** Go's rule: a first component with "." or ":", or `localhost`, is the registry; "" without one. */
function splitRegistry(text: string): { registry: string; path: string } {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const hasRegistry = first === "localhost" || /[.:]/.test(first);
  return hasRegistry ? { registry: first, path: text.slice(slash + 1) } : { registry: "", path: text };
}

function parseRepository(text: string): Repository | undefined {
  const { registry, path } = splitRegistry(text);
  if (!REPOSITORY.test(path) || !isRegistryName(registry)) return undefined;
  return new Repository(canonicalRegistry(registry), path);
}
