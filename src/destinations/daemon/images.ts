import { z } from "zod";
import { DOCKER_NOT_FOUND } from "../../docker/fault.ts";
import { Fault, withContext } from "../../errors/fault.ts";
import { goQuote } from "../../go/format.ts";
import type { Platform } from "../../oci/descriptor.ts";
import { type ImageConfig, parseImageConfig } from "../../oci/image-config.ts";
import type { DaemonConnection } from "./connection.ts";

/** An image in a daemon, as far as the daemon tells of it. */
export interface DaemonImage {
  /** As it was asked for. */
  readonly name: string;
  /** `sha256:<64 hex digits>`: the daemon's ID, which is that of an index where the daemon keeps indexes. */
  readonly id: string;
  /** To ask for its layers with; undefined where the daemon knows no platforms. */
  readonly platform: Platform | undefined;
  readonly config: ImageConfig;
}

const inspectSchema = z.object({
  Id: z.string(),
  Architecture: z.string().default(""),
  Author: z.string().nullish(),
  Os: z.string().default(""),
  OsVersion: z.string().nullish(),
  Variant: z.string().nullish(),
  RootFS: z.object({ Type: z.string().default(""), Layers: z.array(z.string()).nullish() }).default({ Type: "" }),
  Config: z.record(z.string(), z.unknown()).nullish(),
});

const historySchema = z
  .array(z.object({ CreatedBy: z.string().default(""), Comment: z.string().default("") }))
  .nullish();

type Inspect = z.infer<typeof inspectSchema>;
type History = z.infer<typeof historySchema>;

/** What of a daemon's config the reference takes over (imgutil local/v1_facade.go, toV1Config). */
const CONFIG_MEMBERS = new Set([
  "Cmd",
  "Healthcheck",
  "Entrypoint",
  "Env",
  "Labels",
  "OnBuild",
  "User",
  "Volumes",
  "WorkingDir",
  "ExposedPorts",
  "StopSignal",
  "Shell",
]);

/**
 * Looks up an image in the daemon (docs/compatibility.md#daemon-images): first by name alone, for its ID, then, if the
 * daemon supports platforms, for the wanted platform.
 * @param name of the image, or its ID
 * @returns undefined if there is no such image
 * @throws Fault
 */
export async function findImage(
  connection: DaemonConnection,
  name: string,
  wanted: Platform,
  signal: AbortSignal,
): Promise<DaemonImage | undefined> {
  const isPlatformAware = await connection.isPlatformAware(signal);
  const general = await ask(connection, name, undefined, signal);
  if (general === undefined) return undefined;
  const found = (isPlatformAware ? await ask(connection, name, wanted, signal) : undefined) ?? general;
  return {
    name,
    id: general.inspect.Id,
    platform: isPlatformAware ? platformOf(found.inspect) : undefined,
    config: configOf(name, found.inspect, found.history),
  };
}

/** The daemon's ID of an image that was just loaded. @throws Fault `saving image "<name>": ...` */
export async function readId({ docker }: DaemonConnection, name: string, signal: AbortSignal): Promise<string> {
  try {
    const path = `/images/${encodeName(name)}/json`;
    return (await docker.json({ method: "GET", path }, inspectSchema.pick({ Id: true }), signal)).Id;
  } catch (error) {
    signal.throwIfAborted();
    throw withContext(`saving image ${goQuote(name)}`, error);
  }
}

/** The query's member that asks for a platform, in docker's API; none for any. */
export function platformQuery(platform: Platform | undefined): Readonly<Record<string, string>> {
  if (platform === undefined) return {};
  const { os, architecture, variant } = platform;
  const version = platform["os.version"];
  const members = { architecture, os, ...(version ? { "os.version": version } : {}), ...(variant ? { variant } : {}) };
  return { platform: JSON.stringify(members) };
}

async function ask(
  { docker }: DaemonConnection,
  name: string,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<{ inspect: Inspect; history: History } | undefined> {
  const query = platformQuery(platform);
  const path = `/images/${encodeName(name)}`;
  try {
    const inspect = await docker.json({ method: "GET", path: `${path}/json`, query }, inspectSchema, signal);
    const history = await docker.json({ method: "GET", path: `${path}/history`, query }, historySchema, signal);
    return { inspect, history };
  } catch (error) {
    signal.throwIfAborted();
    if (isUnknown(error)) return undefined;
    throw withContext(`inspecting image ${goQuote(name)}`, error);
  }
}

/** Podman looks for an ID that it does not have among the names, where it is refused. */
function isUnknown(error: unknown): boolean {
  if (!(error instanceof Fault)) return false;
  return error.code === DOCKER_NOT_FOUND || error.message.includes("cannot specify 64-byte hexadecimal strings");
}

/** A name as a part of a path; slashes, colons and the at sign stay, as docker's client leaves them. */
export function encodeName(name: string): string {
  return name
    .split("/")
    .map((part) => encodeURIComponent(part).replaceAll("%3A", ":").replaceAll("%40", "@"))
    .join("/");
}

function platformOf({ Os, Architecture, OsVersion, Variant }: Inspect): Platform {
  return {
    os: Os,
    architecture: Architecture,
    ...(OsVersion ? { "os.version": OsVersion } : {}),
    ...(Variant ? { variant: Variant } : {}),
  };
}

/** An image config made from what the daemon shows of it, which has no marks of history entries without a layer. */
function configOf(name: string, inspect: Inspect, history: History): ImageConfig {
  const { Architecture, Author, Os, OsVersion, Variant, RootFS, Config } = inspect;
  const config = Object.fromEntries(Object.entries(Config ?? {}).filter(([member]) => CONFIG_MEMBERS.has(member)));
  const document = {
    architecture: Architecture,
    author: Author,
    os: Os,
    "os.version": OsVersion,
    variant: Variant,
    rootfs: { type: RootFS.Type, diff_ids: RootFS.Layers },
    config,
    // The newest comes first.
    history: history?.map(({ CreatedBy, Comment }) => ({ created_by: CreatedBy, comment: Comment })).reverse(),
  };
  return parseImageConfig(Buffer.from(JSON.stringify(document)), name);
}
