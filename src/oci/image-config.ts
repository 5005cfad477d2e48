import type { z } from "zod";
import { decodeFirst, flag, int64, list, mapOf, pointer, struct, text, zeroValue } from "../go/json-decode.ts";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "../go/json-encode.ts";
import { diffIdType, unreadable } from "./digest.ts";

const keySet = mapOf(struct({})).transform((map) => [...map.keys()]);

const healthcheckType = struct({
  Test: list(text),
  Interval: int64,
  Timeout: int64,
  StartPeriod: int64,
  Retries: int64,
});

const daemonMembers = {
  Cmd: list(text),
  Healthcheck: pointer(healthcheckType),
  Entrypoint: list(text),
  Env: list(text),
  Labels: mapOf(text),
  OnBuild: list(text),
  User: text,
  Volumes: keySet,
  WorkingDir: text,
  ExposedPorts: keySet,
  StopSignal: text,
  Shell: list(text),
};

/** The members that the reference keeps of a daemon's config (imgutil local/v1_facade.go, toV1Config). */
export const daemonConfigType = struct(daemonMembers);

const containerConfigType = struct({
  ...daemonMembers,
  AttachStderr: flag,
  AttachStdin: flag,
  AttachStdout: flag,
  Domainname: text,
  Hostname: text,
  Image: text,
  OpenStdin: flag,
  StdinOnce: flag,
  Tty: flag,
  ArgsEscaped: flag,
  NetworkDisabled: flag,
  MacAddress: text,
});

const historyType = struct({ author: text, created: text, created_by: text, comment: text, empty_layer: flag });

const imageConfigType = struct({
  architecture: text,
  author: text,
  container: text,
  created: text,
  docker_version: text,
  history: list(historyType),
  os: text,
  rootfs: struct({ type: text, diff_ids: list(diffIdType) }),
  config: containerConfigType,
  "os.version": text,
  variant: text,
  "os.features": list(text),
});

/**
 * An image config (image-spec v1.1.1 config.md) with the members of ggcr's v1.ConfigFile, under their JSON names; other
 * members are dropped, as in the reference (docs/compatibility.md#inherited-config). "", 0, false and empty lists mean
 * absent.
 */
export type ImageConfig = z.output<typeof imageConfigType>;
export type ContainerConfig = z.output<typeof containerConfigType>;
export type HistoryEntry = z.output<typeof historyType>;

export function emptyContainerConfig(): ContainerConfig {
  return zeroValue(containerConfigType);
}

/** As imgutil creates it for a new image (imgutil new.go, emptyV1). */
export function emptyImageConfig(platform: { readonly os: string; readonly architecture: string }): ImageConfig {
  const config = zeroValue(imageConfigType);
  return { ...config, ...platform, rootfs: { ...config.rootfs, type: "layers" } };
}

export function parseImageConfig(bytes: Uint8Array, source: string): ImageConfig {
  const parsed = decodeFirst(bytes, imageConfigType);
  if (parsed.ok) return parsed.value;
  throw unreadable("EXPORT_IMAGE_CONFIG", `parsing image config of ${source}`, parsed.problem);
}

/**
 * Serializes with the reference's member order and omission rules (docs/compatibility.md#config-and-manifest-members).
 */
export function imageConfigBytes(config: ImageConfig): Buffer {
  return Buffer.from(
    goJson(
      goStruct({
        architecture: config.architecture,
        author: unlessEmpty(config.author),
        container: unlessEmpty(config.container),
        created: config.created,
        docker_version: unlessEmpty(config.docker_version),
        history: unlessEmpty(config.history.map(historyStruct)),
        os: config.os,
        rootfs: goStruct({ type: config.rootfs.type, diff_ids: config.rootfs.diff_ids }),
        config: containerConfigStruct(config.config),
        "os.version": unlessEmpty(config["os.version"]),
        variant: unlessEmpty(config.variant),
        "os.features": unlessEmpty(config["os.features"]),
      }),
    ),
    "utf8",
  );
}

function historyStruct(entry: HistoryEntry): GoStruct {
  return goStruct({
    author: unlessEmpty(entry.author),
    created: entry.created,
    created_by: unlessEmpty(entry.created_by),
    comment: unlessEmpty(entry.comment),
    empty_layer: unlessEmpty(entry.empty_layer),
  });
}

function containerConfigStruct(config: ContainerConfig): GoStruct {
  return goStruct({
    AttachStderr: unlessEmpty(config.AttachStderr),
    AttachStdin: unlessEmpty(config.AttachStdin),
    AttachStdout: unlessEmpty(config.AttachStdout),
    Cmd: unlessEmpty(config.Cmd),
    Healthcheck: config.Healthcheck ? healthcheckStruct(config.Healthcheck) : undefined,
    Domainname: unlessEmpty(config.Domainname),
    Entrypoint: unlessEmpty(config.Entrypoint),
    Env: unlessEmpty(config.Env),
    Hostname: unlessEmpty(config.Hostname),
    Image: unlessEmpty(config.Image),
    Labels: unlessEmpty(config.Labels),
    OnBuild: unlessEmpty(config.OnBuild),
    OpenStdin: unlessEmpty(config.OpenStdin),
    StdinOnce: unlessEmpty(config.StdinOnce),
    Tty: unlessEmpty(config.Tty),
    User: unlessEmpty(config.User),
    Volumes: unlessEmpty(keySetMap(config.Volumes)),
    WorkingDir: unlessEmpty(config.WorkingDir),
    ExposedPorts: unlessEmpty(keySetMap(config.ExposedPorts)),
    ArgsEscaped: unlessEmpty(config.ArgsEscaped),
    NetworkDisabled: unlessEmpty(config.NetworkDisabled),
    MacAddress: unlessEmpty(config.MacAddress),
    StopSignal: unlessEmpty(config.StopSignal),
    Shell: unlessEmpty(config.Shell),
  });
}

function healthcheckStruct(check: z.output<typeof healthcheckType>): GoStruct {
  return goStruct({
    Test: unlessEmpty(check.Test),
    Interval: unlessEmpty(check.Interval),
    Timeout: unlessEmpty(check.Timeout),
    StartPeriod: unlessEmpty(check.StartPeriod),
    Retries: unlessEmpty(check.Retries),
  });
}

function keySetMap(keys: readonly string[]): ReadonlyMap<string, GoStruct> {
  return new Map(keys.map((key) => [key, goStruct({})]));
}
