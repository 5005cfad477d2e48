import { z } from "zod";
import { Fault } from "../errors/fault.ts";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "../go/json.ts";
import { type DiffID, isSha256 } from "./digest.ts";

/**
 * An object schema that finds members as Go's encoding/json does: by their name, or failing that by the name without
 * regard to case; members it does not know are dropped, and null is an object without members.
 */
export function foldKeys<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const fold = (value: unknown): unknown => {
    if (value === null) return {};
    if (typeof value !== "object" || Array.isArray(value)) return value;
    // Members come in the order of the document, and the last of several that match one name wins.
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, member]) => {
        const name = names.get(key.toLowerCase());
        return name === undefined ? [] : [[name, member]];
      }),
    );
  };
  return z.preprocess(fold, z.object(shape));
}

/** Go's decoder turns null into the zero value, and a lone surrogate escape into U+FFFD. */
const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? "").toWellFormed());
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const integer = z
  .int()
  .nullish()
  .transform((value) => value ?? 0);
const texts = z
  .array(text)
  .nullish()
  .transform((values) => values ?? []);
/** A set written as an object: only its keys count. */
const keySet = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => Object.keys(value ?? {}));
const textMap = z
  .record(z.string(), text)
  .nullish()
  .transform((value) => new Map(Object.entries(value ?? {})));

const diffId = z.custom<DiffID>((value) => typeof value === "string" && isSha256(value), {
  error: "expected sha256:<64 hex digits>",
});

const healthcheckSchema = foldKeys({
  Test: texts,
  Interval: integer,
  Timeout: integer,
  StartPeriod: integer,
  Retries: integer,
});

const containerConfigSchema = foldKeys({
  AttachStderr: flag,
  AttachStdin: flag,
  AttachStdout: flag,
  Cmd: texts,
  Healthcheck: healthcheckSchema.nullish(),
  Domainname: text,
  Entrypoint: texts,
  Env: texts,
  Hostname: text,
  Image: text,
  Labels: textMap,
  OnBuild: texts,
  OpenStdin: flag,
  StdinOnce: flag,
  Tty: flag,
  User: text,
  Volumes: keySet,
  WorkingDir: text,
  ExposedPorts: keySet,
  ArgsEscaped: flag,
  NetworkDisabled: flag,
  MacAddress: text,
  StopSignal: text,
  Shell: texts,
});

const historySchema = foldKeys({ author: text, created: text, created_by: text, comment: text, empty_layer: flag });

const imageConfigSchema = foldKeys({
  architecture: text,
  author: text,
  container: text,
  created: text,
  docker_version: text,
  history: z
    .array(historySchema)
    .nullish()
    .transform((entries) => entries ?? []),
  os: text,
  rootfs: foldKeys({
    type: text,
    diff_ids: z
      .array(diffId)
      .nullish()
      .transform((ids) => ids ?? []),
  }).prefault({}),
  config: containerConfigSchema.prefault({}),
  "os.version": text,
  variant: text,
  "os.features": texts,
});

/**
 * An image config (image-spec v1.1.1 config.md) with the members of ggcr's v1.ConfigFile, under their JSON names; every
 * other member is dropped, as by the reference (docs/compatibility.md#inherited-config). "", 0, false and empty lists
 * mean absent.
 */
export type ImageConfig = z.infer<typeof imageConfigSchema>;
/** The `config` member: how a container of the image runs. */
export type ContainerConfig = z.infer<typeof containerConfigSchema>;
/** One `history` entry. */
export type HistoryEntry = z.infer<typeof historySchema>;

/** A container config in which nothing is set. */
export function emptyContainerConfig(): ContainerConfig {
  return containerConfigSchema.parse({});
}

/** An image config without layers, as imgutil makes it for a new image (imgutil new.go, emptyV1). */
export function emptyImageConfig(platform: { readonly os: string; readonly architecture: string }): ImageConfig {
  return imageConfigSchema.parse({ ...platform, rootfs: { type: "layers" } });
}

/**
 * Parses an image config. Keys are matched as Go's decoder does, without regard to case.
 * @param source where it comes from, for the message
 * @throws Fault when it is no JSON or a member has the wrong type.
 */
export function parseImageConfig(bytes: Uint8Array, source: string): ImageConfig {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new Fault("EXPORT_IMAGE_CONFIG", `parsing image config of ${source}: not valid JSON`, { cause: error });
  }
  const parsed = imageConfigSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new Fault("EXPORT_IMAGE_CONFIG", `parsing image config of ${source}: ${z.prettifyError(parsed.error)}`);
}

/**
 * The config's bytes in the reference's member order and with its rules of omission
 * (docs/compatibility.md#config-and-manifest-members).
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

function healthcheckStruct(check: z.infer<typeof healthcheckSchema>): GoStruct {
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
