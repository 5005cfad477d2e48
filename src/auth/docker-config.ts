import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Fault } from "../errors/fault.ts";
import { registerSecret } from "../errors/secrets.ts";
import { readFile } from "../files/read-file.ts";
import { pathFault } from "../go/errno.ts";
import { goQuote } from "../go/format.ts";
import { attempt, type Decoded, decodeFirst, mapOf, struct, text, unmarshal } from "../go/json-decode.ts";
import { withoutCredentials } from "../oci/reference.ts";
import type { Environment } from "../process/environment.ts";
import { Credentials } from "./credentials.ts";

export type EnvironmentAuth = ReadonlyMap<string, string>;

export function parseEnvironmentAuth(value: string | undefined): EnvironmentAuth {
  if (value === undefined || value === "") return new Map();
  const headers = unmarshal(value, mapOf(attempt(text)));
  if (!headers.ok) throw environmentFault(headers.problem);
  const found = new Map<string, string>();
  for (const [registry, header] of headers.value) {
    if (!header.ok) throw environmentFault(`${header.problem} at ${withoutCredentials(registry)}`);
    registerSecret(header.value.replace(/^\S+ +/, ""));
    found.set(hostOf(registry), header.value);
  }
  return found;
}

function environmentFault(problem: string): Fault {
  return new Fault(
    "EXPORT_AUTH_ENVIRONMENT",
    `reading auth env var: failed to parse CNB_REGISTRY_AUTH value: ${problem}`,
    {
      exitCode: 1,
      hint: 'Set CNB_REGISTRY_AUTH to a JSON object such as {"registry.example.com": "Basic <base64 of user:password>"}.',
    },
  );
}

function hostOf(registry: string): string {
  return registry.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
}

/** @throws Fault for a header of an unknown kind: at use rather than when the variable is read, as in the reference */
export function credentialsOfHeader(header: string, registry: string): Credentials {
  const [, scheme, value] = /^(basic|bearer|x-identity) (.*)$/i.exec(header) ?? [];
  switch (scheme?.toLowerCase()) {
    case "basic":
      return new Credentials({ auth: value });
    case "bearer":
      return new Credentials({ registryToken: value });
    case "x-identity":
      return new Credentials({ identityToken: value });
    default:
      throw new Fault("EXPORT_AUTH_ENVIRONMENT", "parsing auth header: unknown auth type from header", {
        destination: registry,
        hint: `Begin the value for ${registry} in CNB_REGISTRY_AUTH with Basic, Bearer or X-Identity.`,
      });
  }
}

const entryType = struct({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
}).transform(({ auth, username, password, identitytoken, registrytoken }, context) => {
  const tokens = { identityToken: identitytoken, registryToken: registrytoken };
  if (auth === "") return new Credentials({ username, password, ...tokens });
  // Not as text: the bytes need not be UTF-8.
  const [, user, padded = ""] = /^([^:]+):(.*)$/s.exec(Buffer.from(auth, "base64").toString("latin1")) ?? [];
  if (user === undefined) {
    context.addIssue({ code: "custom", message: "expected base64 of user:password", path: ["auth"] });
    return z.NEVER;
  }
  // Old Docker clients padded the password with NUL.
  const secret = padded.replace(/^\0+|\0+$/g, "");
  if (secret === "") return new Credentials({ username: user, ...tokens });
  return new Credentials({ auth: Buffer.from(`${user}:${secret}`, "latin1").toString("base64"), ...tokens });
});

/** Members are parsed independently: unlike in Go, an invalid one does not invalidate the others. */
const configType = struct({
  auths: attempt(mapOf(attempt(entryType))),
  credsStore: attempt(text),
  credHelpers: attempt(mapOf(attempt(text))),
});

export interface DockerConfig {
  readonly auths: ReadonlyMap<string, Credentials>;
  readonly credsStore: string;
  readonly credHelpers: ReadonlyMap<string, string>;
}

export type OnDropped = (entry: Fault) => void;

/**
 * Reads `DOCKER_AUTH_CONFIG`, which Docker's client prefers to its file, with exactly its keys (docker/cli v29
 * cli/config/configfile/file.go). Unlike there, no file is needed beside it.
 */
export async function readVariableConfig(
  environment: Environment,
  onDropped: OnDropped,
): Promise<DockerConfig | undefined> {
  const name = "DOCKER_AUTH_CONFIG";
  const value = environment[name];
  if (!value) return undefined;
  const config = parseDockerConfig(value, name, onDropped);
  // In a file, such an entry means that a helper has the credentials; here it is a mistake.
  for (const [key, credentials] of config.auths)
    if (credentials.isAnonymous) onDropped(unreadable(`${name}: ${entryName("auths", key)}`, "expected a member auth"));
  return config;
}

export async function readDockerConfig(
  environment: Environment,
  home: string,
  onDropped: OnDropped,
): Promise<DockerConfig | undefined> {
  const path = await findConfig(environment, home, onDropped);
  if (path === undefined) return undefined;
  const bytes = await readFile(path).catch((error: unknown) => {
    throw pathFault("EXPORT_AUTH_CONFIG", "open", path, error);
  });
  // Docker's client treats an empty file as a config without entries.
  return parseDockerConfig(bytes.length === 0 ? "{}" : bytes, path, onDropped);
}

/** @throws Fault unless it is a JSON object. Messages never repeat values of the document, which may be secrets. */
export function parseDockerConfig(document: Uint8Array | string, source: string, onDropped: OnDropped): DockerConfig {
  const config = decodeFirst(document, configType);
  if (!config.ok) throw unreadable(`${source}: not a docker config`, config.problem);
  const drop: Drop = (entry: string, problem: string) => onDropped(unreadable(`${source}: ${entry}`, problem));
  const { auths, credsStore, credHelpers } = config.value;
  return {
    auths: readableEntries("auths", auths, drop),
    credsStore: readable("credsStore", credsStore, drop) ?? "",
    credHelpers: readableEntries("credHelpers", credHelpers, drop),
  };
}

type Drop = (entry: string, problem: string) => void;

function readable<T>(name: string, part: Decoded<T>, drop: Drop): T | undefined {
  if (part.ok) return part.value;
  drop(name, part.problem);
  return undefined;
}

function readableEntries<T>(name: string, part: Decoded<ReadonlyMap<string, Decoded<T>>>, drop: Drop): Map<string, T> {
  const found = new Map<string, T>();
  for (const [key, entry] of readable(name, part, drop) ?? []) {
    const value = readable(entryName(name, key), entry, drop);
    if (value !== undefined) found.set(key, value);
  }
  return found;
}

function entryName(name: string, key: string): string {
  return `${name}[${goQuote(withoutCredentials(key))}]`;
}

function unreadable(what: string, problem: string): Fault {
  return new Fault("EXPORT_AUTH_CONFIG", `${what}: ${problem}`);
}

async function findConfig(environment: Environment, home: string, onDropped: OnDropped): Promise<string | undefined> {
  const isFile = async (path: string | undefined): Promise<boolean> => {
    const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
    // Container runtimes create one for a bind mount whose source is missing.
    if (found?.isDirectory()) onDropped(new Fault("EXPORT_AUTH_CONFIG", `open ${path}: is a directory`));
    return found !== undefined && !found.isDirectory();
  };
  const { DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME } = environment;
  const atHome = join(home, ".docker", "config.json");
  const named = DOCKER_CONFIG ? join(DOCKER_CONFIG, "config.json") : undefined;
  // A quirk of the reference: the file in the home directory enables Docker's config, and DOCKER_CONFIG selects which
  // one is loaded.
  const [isAtHome, isNamed] = [await isFile(atHome), await isFile(named)];
  if (isNamed) return named;
  if (isAtHome) return named === undefined ? atHome : undefined;
  const others = [
    REGISTRY_AUTH_FILE || undefined,
    XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, "containers", "auth.json") : undefined,
    join(XDG_CONFIG_HOME || join(home, ".config"), "containers", "auth.json"),
  ];
  for (const path of others) if (await isFile(path)) return path;
  return undefined;
}

/** Undefined if the file's own entries apply: also if the key's helper is `""`, which exempts it from `credsStore`. */
export function helperFor({ credHelpers, credsStore }: DockerConfig, key: string): string | undefined {
  return (credHelpers.get(key) ?? credsStore) || undefined;
}

export function entryFor({ auths }: DockerConfig, key: string): Credentials | undefined {
  return auths.get(key) ?? [...auths].find(([name]) => hostOfKey(name) === key)?.[1];
}

/** Of a URL with any scheme, or of a host with a path (docker/cli v29 cli/config/credentials/file_store.go). */
function hostOfKey(key: string): string {
  const [, authority] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]+)/i.exec(key) ?? [];
  return authority?.replace(/^.*@/, "") ?? key.split("/", 1)[0] ?? "";
}
