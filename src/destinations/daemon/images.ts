import type { z } from "zod";
import { DOCKER_NOT_FOUND } from "../../docker/fault.ts";
import { Fault, withContext } from "../../errors/fault.ts";
import { goQuote } from "../../go/format.ts";
import { list, pointer, struct, text } from "../../go/json-decode.ts";
import { blankEntry } from "../../images/image.ts";
import type { Platform } from "../../oci/descriptor.ts";
import { diffIdType, digestProblem } from "../../oci/digest.ts";
import { daemonConfigType, emptyContainerConfig, emptyImageConfig, type ImageConfig } from "../../oci/image-config.ts";
import type { DaemonConnection } from "./connection.ts";

export interface DaemonImage {
  readonly name: string;
  /** `sha256:<64 hex digits>`: the daemon's ID, which is the digest of the index if the daemon stores indexes. */
  readonly id: string;
  readonly platform: Platform | undefined;
  readonly config: ImageConfig;
}

const idType = text.transform((id, context) => {
  const named = /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id;
  const problem = digestProblem(named);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  return named;
});

const identityType = struct({ Id: idType });

export const inspectType = struct({
  Id: idType,
  Architecture: text,
  Author: text,
  Os: text,
  OsVersion: text,
  Variant: text,
  RootFS: struct({ Type: text, Layers: list(diffIdType) }),
  Config: pointer(daemonConfigType).transform((config) => ({ ...emptyContainerConfig(), ...config })),
});

export const historyType = list(struct({ CreatedBy: text, Comment: text }));

type Inspect = z.output<typeof inspectType>;
type History = z.output<typeof historyType>;

/**
 * Looks up an image in the daemon (docs/compatibility.md#daemon-images): first by name alone, for its ID, then, if the
 * daemon supports platforms, for the given platform.
 * @param name name or ID
 * @returns undefined if there is no such image
 * @throws Fault
 */
export async function findImage(
  connection: DaemonConnection,
  name: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<DaemonImage | undefined> {
  const isPlatformAware = await connection.isPlatformAware(signal);
  const general = await ask(connection, name, undefined, signal);
  if (general === undefined) return undefined;
  const found = (isPlatformAware ? await ask(connection, name, platform, signal) : undefined) ?? general;
  return {
    name,
    id: general.inspect.Id,
    platform: isPlatformAware ? platformOf(found.inspect) : undefined,
    config: configOf(found.inspect, found.history),
  };
}

/**
 * The ID of a loaded image. With classic storage it is the digest of the config, by which the image is looked up first:
 * another export may have given the name to its own image meanwhile.
 */
export async function readId(
  connection: DaemonConnection,
  name: string,
  configDigest: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const isClassic = (await connection.storage(signal)) === "classic";
    const known = isClassic ? await idOf(connection, configDigest, signal).catch(unlessUnknown) : undefined;
    return known ?? (await idOf(connection, name, signal));
  } catch (error) {
    signal.throwIfAborted();
    throw withContext(`saving image ${goQuote(name)}`, error);
  }
}

async function idOf({ docker }: DaemonConnection, image: string, signal: AbortSignal): Promise<string> {
  return (await docker.json({ method: "GET", path: `/images/${encodeName(image)}/json` }, identityType, signal)).Id;
}

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
  const failedTo = (action: string) => (error: unknown) => {
    signal.throwIfAborted();
    if (isUnknown(error)) return undefined;
    throw withContext(`${action} image ${goQuote(name)}`, error);
  };
  const inspect = await docker
    .json({ method: "GET", path: `${path}/json`, query }, inspectType, signal)
    .catch(failedTo("inspecting"));
  if (inspect === undefined) return undefined;
  const history = await docker
    .json({ method: "GET", path: `${path}/history`, query }, historyType, signal)
    .catch(failedTo("get history for"));
  return history && { inspect, history };
}

/** Podman looks up an unknown ID as a name, and then rejects it as invalid. */
function isUnknown(error: unknown): boolean {
  if (!(error instanceof Fault)) return false;
  return error.code === DOCKER_NOT_FOUND || error.message.includes("cannot specify 64-byte hexadecimal strings");
}

function unlessUnknown(error: unknown): undefined {
  if (!isUnknown(error)) throw error;
}

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

export function configOf(inspect: Inspect, history: History): ImageConfig {
  return {
    ...emptyImageConfig({ os: inspect.Os, architecture: inspect.Architecture }),
    author: inspect.Author,
    "os.version": inspect.OsVersion,
    variant: inspect.Variant,
    rootfs: { type: inspect.RootFS.Type, diff_ids: inspect.RootFS.Layers },
    config: inspect.Config,
    // The daemon lists the newest first.
    history: history
      .map(({ CreatedBy, Comment }) => ({ ...blankEntry(""), created_by: CreatedBy, comment: Comment }))
      .reverse(),
  };
}
