import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { digestOf } from "../../src/oci/digest.ts";
import type { CommandRun } from "../support/process/in-process.ts";
import { listTree } from "./disk-tree.ts";
import { describeLayouts } from "./layouts.ts";
import { CASE_ROOT } from "./materialize.ts";
import { type DigestNames, hostName, normalize, type Placeholders } from "./placeholders.ts";
import type { ConformanceCase, Outcome } from "./recorded-case.ts";
import { listManifests, readBlob, type TaggedManifest } from "./registry-api.ts";
import type { RunImage } from "./run-image.ts";

const manifestSchema = z.object({
  config: z.object({ digest: z.string() }),
  layers: z.array(z.object({ size: z.number(), digest: z.string() })),
});
const configSchema = z.object({ rootfs: z.object({ diff_ids: z.array(z.string()) }) });

/** Known facts about a run's surroundings. */
export interface Scene {
  readonly placeholders: Placeholders;
  /** Added to by every observation: one digest keeps its first name. */
  readonly digests: DigestNames;
  /** Undefined when the case has none. */
  readonly runImage: RunImage | undefined;
  readonly runImageLayers: ReadonlySet<string>;
}

/**
 * Everything that a run left: what it printed, files, images in the registries, with every digest, size and diffID of
 * the images recomputed.
 * @param label `previous.` of the first build of two, else empty
 */
export async function observe(
  run: CommandRun,
  { reportPath, unordered }: Pick<ConformanceCase, "reportPath" | "unordered">,
  scene: Scene,
  label: string,
): Promise<Outcome> {
  const { placeholders, digests } = scene;
  const tagged: { host: string; key: string; manifest: TaggedManifest }[] = [];
  for (const [i, host] of placeholders.hosts.entries())
    for (const manifest of await listManifests(host)) {
      const { repository, tag, digest } = manifest;
      if (repository === "run") continue;
      if (!digests.has(digest)) digests.set(digest, `{${label}${repository}Digest}`);
      tagged.push({ host, manifest, key: `${hostName(i)}/${repository}:${tag}` });
    }
  const nameOf = (manifest: TaggedManifest) => digests.get(manifest.digest) ?? "";
  const images: Outcome["images"] = {};
  for (const { host, manifest } of tagged) {
    const isOfBuildBefore = label === "" && nameOf(manifest).startsWith("{previous.");
    if (!isOfBuildBefore) images[nameOf(manifest)] ??= await describeImage(host, manifest, scene);
  }
  const layouts = describeLayouts(scene, label);
  const lines = (text: string) => {
    if (text === "") return [];
    if (!text.endsWith("\n")) throw new Error(`the last line has no end: ${text}`);
    const all = normalize(text, placeholders, digests).slice(0, -1).split("\n");
    return unordered ? all.sort() : all;
  };
  const read = (path: string) =>
    existsSync(path) ? normalize(readFileSync(path, "utf8"), placeholders, digests) : undefined;
  const cacheDir = join(CASE_ROOT, "cache");
  const cacheDirMetadata = read(join(cacheDir, "committed", "io.buildpacks.lifecycle.cache.metadata"));
  const sbomTree = listTree(join(CASE_ROOT, "layers", "sbom"));
  return {
    exitCode: run.exitCode,
    stdout: lines(run.stdout),
    stderr: withoutTrace(lines(run.stderr)),
    report: read(join(CASE_ROOT, reportPath)) ?? null,
    registry: Object.fromEntries(tagged.map(({ key, manifest }) => [key, nameOf(manifest)])),
    images,
    ...(layouts === undefined ? {} : { layouts }),
    ...(existsSync(cacheDir) ? { cacheDir: listTree(cacheDir) } : {}),
    ...(cacheDirMetadata === undefined ? {} : { cacheDirMetadata }),
    ...(sbomTree.length > 0 ? { sbomTree } : {}),
  };
}

/** Of a Go panic only the first line is the same in every run. */
function withoutTrace(lines: string[]): string[] {
  const panic = lines.find((line) => line.startsWith("panic:"));
  return panic === undefined ? lines : [panic];
}

/** Texts of an image. Sizes and digests of its own layers' blobs are not comparable: they depend on the compressor. */
async function describeImage(host: string, tagged: TaggedManifest, scene: Scene): Promise<Outcome["images"][string]> {
  const { repository, bytes, contentType } = tagged;
  const manifest = manifestSchema.parse(JSON.parse(bytes.toString()));
  const config = await readBlob(host, repository, manifest.config.digest);
  const diffIDs = configSchema.parse(JSON.parse(config.toString())).rootfs.diff_ids;
  let text = bytes.toString();
  for (const [i, { size, digest }] of manifest.layers.entries()) {
    const blob = await readBlob(host, repository, digest);
    const tar = blob[0] === 0x1f ? gunzipSync(blob) : blob;
    if (digestOf(blob) !== digest || blob.length !== size || digestOf(tar) !== diffIDs[i])
      throw new Error(`layer ${i} of ${repository}:${tagged.tag} is not what its image says`);
    if (!scene.runImageLayers.has(digest))
      text = text.replace(`"size":${size},"digest":"${digest}"`, `"size":0,"digest":"{layer${i}}"`);
  }
  text = text.replace(`"digest":"${manifest.config.digest}"`, '"digest":"{config}"');
  const normal = (value: string) => normalize(value, scene.placeholders, scene.digests);
  return { manifestContentType: contentType, manifest: normal(text), config: normal(config.toString()), diffIDs };
}
