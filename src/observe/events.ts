import { z } from "zod";

const digest = z.string().meta({ description: "`sha256:` and 64 hex digits" });
const bytes = (description: string) =>
  z
    .int()
    .nonnegative()
    .meta({ description: `${description}, in bytes` });
const count = (description: string) => z.int().nonnegative().meta({ description });
const elapsedMs = z.number().nonnegative().meta({ description: "Milliseconds since the export began" });
const early = z
  .optional(z.literal(true))
  .meta({ description: "The creator made it while the build ran, or began to; absent otherwise" });
const id = z.string().meta({ description: "The layer's id, as the log has it: `<buildpack>:<layer>`, `slice-1`, ..." });
const side = z.enum(["app", "cache"]).meta({ description: "The app image, or the cache" });
const destination = z
  .string()
  .meta({ description: "The repository in a registry, the path of a layout or of a cache directory, or the daemon" });
const reason = z.string().meta({ description: "The reason of the failure, as in the log" });

const upload = {
  destination,
  image: side,
  layer: z.optional(id).meta({ description: "The layer's id; absent for a layer of the run image" }),
};

const runImage = z.object({
  topLayer: digest.meta({ description: "DiffID of its top layer" }),
  reference: z.string().meta({ description: "Its digest reference; in a daemon its image ID" }),
  image: z.string().meta({ description: "Its name in run.toml or stack.toml; empty if they do not have it" }),
  mirrors: z.array(z.string()).meta({ description: "The mirrors that run.toml or stack.toml lists for it" }),
});

function kind<const Name extends string, Shape extends z.ZodRawShape>(name: Name, description: string, shape: Shape) {
  return z.object({ event: z.literal(name), elapsedMs, ...shape }).meta({ id: name, description });
}

export const exportEventSchema = z.discriminatedUnion("event", [
  kind(
    "layer-started",
    "A pass over a layer's files begins. A layer that must be compressed after all has a second pass.",
    {
      id,
      tarSize: bytes("The uncompressed tar"),
      makes: z
        .array(z.enum(["diff-id", "blob", "tar-file", "tar-stream"]))
        .meta({ description: "The products of the pass" }),
    },
  ),
  kind("layer-hashed", "A layer's diffID is known.", {
    id,
    diffId: digest,
    tarSize: bytes("The uncompressed tar"),
    early,
  }),
  kind("layer-compressed", "A layer's compressed blob is complete. Uploads of it may have begun long before.", {
    id,
    digest,
    size: bytes("The blob"),
    tarSize: bytes("The uncompressed tar"),
    early,
  }),
  kind("layer-reused", "A previous image or cache has the layer, so it is not compressed.", {
    id,
    image: side,
    diffId: digest,
  }),
  kind(
    "upload-started",
    "The first byte of a blob is about to be sent. Blobs that need not be sent have no such event.",
    {
      ...upload,
    },
  ),
  kind("upload-progress", "Progress of one destination, every few seconds while there is something to send.", {
    destination,
    image: side,
    sentBytes: bytes("Sent, never less than before"),
    expectedBytes: bytes("To be sent in all; an estimate while layers are being compressed"),
    bytesPerSecond: z.number().nonnegative(),
    secondsLeft: z.optional(z.number().nonnegative()).meta({ description: "Absent while nothing moves" }),
  }),
  kind("upload-resumed", "An interrupted upload continues.", {
    ...upload,
    offset: bytes("The offset at which it continues; 0 if it restarts"),
  }),
  kind("upload-done", "A blob is at its destination.", {
    ...upload,
    digest,
    size: bytes("The blob; for a daemon the tar"),
    outcome: z
      .enum(["uploaded", "mounted", "existing"])
      .meta({ description: "Sent; mounted from another repository of the registry; or there before" }),
  }),
  kind("upload-failed", "The upload of a blob failed.", { ...upload, reason }),
  kind("app-image-ready", "The app image can be run: all its names point to it, and report.toml is written.", {
    digest: z.string().meta({ description: "Of the manifest; in a daemon the image's ID" }),
    tags: z.array(z.string()).meta({ description: "The names that it has" }),
    runImage: z.optional(runImage).meta({ description: "The run image that it is built upon" }),
  }),
  kind("cache-ready", "The cache is committed.", {
    reference: z.string().meta({ description: "The cache image, or the cache directory, as given" }),
    digest: z.optional(digest).meta({ description: "Of a cache image's manifest" }),
  }),
  kind("cache-failed", "There is no new cache. The export continues.", { reason }),
  kind("layer", "At the end, for every layer that has files: the work that was done for it.", {
    id,
    diffId: digest,
    tarSize: bytes("The uncompressed tar"),
    size: z.optional(bytes("The compressed blob")).meta({ description: "Absent when the layer was not compressed" }),
    images: count("Images and caches that use it"),
    reads: count("Passes over the source"),
    hashes: count("SHA-256 passes over the tar"),
    compressions: count("Number of times it was compressed"),
    uploads: count("Number of times it was sent"),
    tarFiles: count("Files written with the uncompressed tar, for stores of files"),
    tarStreams: count("Streams of the uncompressed tar, for daemons"),
  }),
  kind("summary", "At the end of an export that succeeded.", {
    made: count("Layers that were compressed or sent"),
    reused: count("Layers that a previous image or cache has"),
    readBytes: bytes("Read, counted as tars"),
    tarBytes: bytes("Tars that were compressed"),
    compressedBytes: bytes("Their compressed size"),
    sentBytes: bytes("Sent to all destinations"),
    appReadyMs: z.optional(z.number()).meta({ description: "Milliseconds until the app image was ready" }),
    earlyLayers: z.optional(count("Layers that were ready before the build ended, if any")),
    earlyBytes: z.optional(bytes("Their tars")),
    earlyWastedBytes: z.optional(bytes("Sent while the build ran, for layers that changed later; absent if none")),
    limit: z
      .optional(z.string())
      .meta({ description: "The bottleneck: `cores`, `disk`, `answers` (of destinations), or a destination" }),
    limitPart: z.optional(z.number()).meta({ description: "Fraction of the time for which it was, 0 to 1" }),
  }),
  kind("error", "The export failed. Work in progress ends after it.", {
    reason,
    code: z.optional(z.string()).meta({ description: "Stable name of the kind of failure, `EXPORT_...`" }),
    destination: z.optional(z.string()).meta({ description: "The registry, repository or file concerned" }),
    hint: z.optional(z.string()).meta({ description: "What to do about it" }),
  }),
]);

/**
 * An event of an export. Times are in ms since the export began, sizes in bytes. `-events` writes one object per line.
 * Members and kinds are only ever added: consumers must ignore unknown ones.
 */
export type ExportEvent = z.infer<typeof exportEventSchema>;

export type EventBody = ExportEvent extends infer Event
  ? Event extends ExportEvent
    ? Omit<Event, "elapsedMs">
    : never
  : never;

export type EventSink = (event: ExportEvent) => void;
