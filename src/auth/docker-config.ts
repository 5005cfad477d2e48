import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Fault, messageOf } from "../errors/fault.ts";
import { keepSecret } from "../errors/secrets.ts";
import type { Environment } from "../process/environment.ts";
import { Credentials } from "./credentials.ts";

const environmentAuthSchema = z.record(z.string(), z.string());

/** Registry to Authorization header, from `CNB_REGISTRY_AUTH` (docs/compatibility.md#credentials). */
export type EnvironmentAuth = ReadonlyMap<string, string>;

/**
 * Parses the value of `CNB_REGISTRY_AUTH`; undefined or "" is an empty map.
 * @throws Fault without any part of the value in it, because JSON.parse's own message quotes some
 */
export function parseEnvironmentAuth(value: string | undefined): EnvironmentAuth {
  if (value === undefined || value === "") return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    parsed = undefined;
  }
  const result = environmentAuthSchema.nullable().safeParse(parsed);
  if (!result.success) {
    const reason = parsed === undefined ? "invalid JSON" : "expected an object of strings";
    throw new Fault(
      "EXPORT_AUTH_ENVIRONMENT",
      `reading auth env var: failed to parse CNB_REGISTRY_AUTH value: ${reason}`,
      {
        exitCode: 1,
      },
    );
  }
  for (const header of Object.values(result.data ?? {})) keepSecret(header.replace(/^\S+ +/, ""));
  return new Map(Object.entries(result.data ?? {}).map(([registry, header]) => [hostOf(registry), header]));
}

/** A registry's URL or name without scheme and path. */
export function hostOf(registry: string): string {
  return registry.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
}

/** @throws Fault for a header of an unknown kind, at use and not when the variable is read, as the reference does */
export function credentialsOfHeader(header: string): Credentials {
  const [, scheme, value] = /^(basic|bearer|x-identity) (.*)$/i.exec(header) ?? [];
  switch (scheme?.toLowerCase()) {
    case "basic":
      return new Credentials({ auth: value });
    case "bearer":
      return new Credentials({ registryToken: value });
    case "x-identity":
      return new Credentials({ identityToken: value });
    default:
      throw new Fault("EXPORT_AUTH_ENVIRONMENT", "parsing auth header: unknown auth type from header", {});
  }
}

const entrySchema = z.object({
  auth: z.string().default(""),
  username: z.string().default(""),
  password: z.string().default(""),
  identitytoken: z.string().default(""),
  registrytoken: z.string().default(""),
});

const dockerConfigSchema = z.object({
  auths: z.record(z.string(), entrySchema).nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});

/** A docker config.json, or a podman auth.json which has the same form. */
export type DockerConfig = z.infer<typeof dockerConfigSchema>;

const variableSchema = z.object({ auths: z.record(z.string(), z.object({ auth: z.string().min(1) })).default({}) });

/**
 * The credentials for a key in `DOCKER_AUTH_CONFIG`, which docker's own client takes before its file, by exactly this key
 * (docker/cli v29 cli/config/configfile/file.go). Unlike there it needs no file beside it.
 * @throws Fault for a value of another form
 */
export function variableEntryFor(environment: Environment, key: string): Credentials | undefined {
  const value = environment.DOCKER_AUTH_CONFIG;
  if (!value) return undefined;
  let auths: z.infer<typeof variableSchema>["auths"];
  try {
    ({ auths } = variableSchema.parse(JSON.parse(value)));
  } catch {
    // What is wrong with it cannot be said without a part of it.
    throw new Fault("EXPORT_AUTH_CONFIG", "DOCKER_AUTH_CONFIG: not a docker config with `auths`");
  }
  return Object.hasOwn(auths, key) ? entryFor({ auths: { [key]: entrySchema.parse(auths[key]) } }, key) : undefined;
}

/** Reads the first config that exists (docs/compatibility.md#docker-configuration); undefined if there is none. */
export async function readDockerConfig(environment: Environment, home: string): Promise<DockerConfig | undefined> {
  const path = await findConfig(environment, home);
  if (path === undefined) return undefined;
  try {
    return dockerConfigSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    // Neither JSON.parse's message nor zod's may be shown: both can quote the file.
    const reason =
      error instanceof SyntaxError || error instanceof z.ZodError ? "not a docker config" : messageOf(error);
    throw new Fault("EXPORT_AUTH_CONFIG", `${path}: ${reason}`);
  }
}

async function findConfig(environment: Environment, home: string): Promise<string | undefined> {
  const { DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME } = environment;
  const atHome = join(home, ".docker", "config.json");
  const named = DOCKER_CONFIG ? join(DOCKER_CONFIG, "config.json") : undefined;
  // Odd, but the reference's: the one at home switches docker's config on, and DOCKER_CONFIG says which is loaded.
  if ((await isFile(atHome)) || (await isFile(named))) {
    const loaded = named ?? atHome;
    return (await isFile(loaded)) ? loaded : undefined;
  }
  const others = [
    REGISTRY_AUTH_FILE || undefined,
    XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, "containers", "auth.json") : undefined,
    join(XDG_CONFIG_HOME || join(home, ".config"), "containers", "auth.json"),
  ];
  for (const path of others) if (await isFile(path)) return path;
  return undefined;
}

async function isFile(path: string | undefined): Promise<boolean> {
  if (path === undefined) return false;
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}

/**
 * The helper program's suffix for a key, undefined when the file's own entries are to be used: also for a key whose helper is
 * `""`, which takes it out of `credsStore`.
 */
export function helperFor(config: DockerConfig, key: string): string | undefined {
  const { credHelpers, credsStore } = config;
  const own = credHelpers && Object.hasOwn(credHelpers, key) ? credHelpers[key] : undefined;
  return (own ?? credsStore) || undefined;
}

/**
 * The entry of the file for a key: the same key, else one whose host is the key.
 * @throws Fault for an `auth` that is not base64 of `user:password`
 */
export function entryFor(config: DockerConfig, key: string): Credentials | undefined {
  const auths = config.auths ?? {};
  const own = Object.hasOwn(auths, key) ? auths[key] : undefined;
  const entry = own ?? Object.entries(auths).find(([name]) => hostOf(name) === key)?.[1];
  if (entry === undefined) return undefined;
  const { auth, username, password, identitytoken, registrytoken } = entry;
  const tokens = { identityToken: identitytoken, registryToken: registrytoken };
  if (auth === "") return new Credentials({ username, password, ...tokens });
  const decoded = Buffer.from(auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 1) throw new Fault("EXPORT_AUTH_CONFIG", "invalid auth configuration file");
  // Old docker clients padded the password with NUL.
  const secret = decoded.slice(colon + 1).replaceAll("\0", "");
  return new Credentials({ username: decoded.slice(0, colon), password: secret, ...tokens });
}
