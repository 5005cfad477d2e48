import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { gates } from "../cnb/api.ts";
import { blobPath, hasBlob, readBlob, readDocument } from "../destinations/layout/blobs.ts";
import { Fault, failTo, withContext, withDefaultHint } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import { toByteString } from "../go/byte-string.ts";
import { isNotExist, pathFault } from "../go/errno.ts";
import { goQuote } from "../go/format.ts";
import type { Logger } from "../logger.ts";
import { type Descriptor, DOCKER_MANIFEST, OCI_MANIFEST } from "../oci/descriptor.ts";
import { type ContainerConfig, type ImageConfig, parseImageConfig } from "../oci/image-config.ts";
import { type ImageManifest, parseIndex, parseManifest } from "../oci/manifest.ts";
import type { ExportSettings, ExtensionLayer, ResolvedInputs } from "../plan/inputs.ts";

interface ExtendedImage {
  readonly path: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

type ExtensionSettings = Pick<ExportSettings, "platformApi" | "extendedDir">;

/** @throws Fault in the reference's words */
export async function readExtensionLayers(settings: ExtensionSettings): Promise<readonly ExtensionLayer[]> {
  const image = await readExtendedImage(settings);
  return image === undefined ? [] : await extensionLayers(image);
}

/**
 * Opens the sparse OCI layout that the extender left in `<extended>/run/<its only entry>` (lifecycle
 * image/layout_handler.go, docs/compatibility.md#image-extensions).
 * @returns undefined if there is none, or if the Platform API has no extensions
 */
async function readExtendedImage({ platformApi, extendedDir }: ExtensionSettings): Promise<ExtendedImage | undefined> {
  if (!gates(platformApi).hasExtensions || extendedDir === "") return undefined;
  const path = await theLayout(join(extendedDir, "run"));
  if (path === undefined) return undefined;
  try {
    const { digest } = await theManifest(path);
    const manifest = parseManifest(await readBlob(path, digest));
    return { path, manifest, config: parseImageConfig(await readBlob(path, manifest.config.digest), path) };
  } catch (error) {
    throw withDefaultHint(error, hintLine`Run the extender again: the image that it left in ${path} cannot be read.`);
  }
}

async function theLayout(parent: string): Promise<string | undefined> {
  const entries = await readdir(parent).catch((error: unknown) => {
    if (isNotExist(error)) return [];
    throw pathFault("EXPORT_INPUT_READ", "open", parent, error);
  });
  const [entry, ...more] = entries;
  if (entry === undefined) return undefined;
  if (more.length === 0) return join(parent, entry);
  const message = `expected directory ${goQuote(parent)} to have only 1 item; found ${entries.length}`;
  throw new Fault("EXPORT_LAYOUT_INDEX", message, { hint: "Give each export its own -extended directory." });
}

async function theManifest(path: string): Promise<Descriptor> {
  const { manifests } = parseIndex(await readDocument(join(path, "index.json")));
  const [manifest] = manifests;
  if (manifest === undefined || manifests.length > 1) {
    const found = `expected image index at ${goQuote(path)} to have only 1 manifest; found ${manifests.length}`;
    throw new Fault("EXPORT_LAYOUT_INDEX", found);
  }
  const { digest, mediaType } = manifest;
  if (mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST) return manifest;
  throw new Fault("EXPORT_LAYOUT_INDEX", `unexpected media type for ${digest}: ${mediaType}`);
}

async function extensionLayers({ path, manifest, config }: ExtendedImage): Promise<ExtensionLayer[]> {
  const entries = config.history.filter((entry) => !entry.empty_layer);
  const provided: ExtensionLayer[] = [];
  for (const [index, { digest }] of manifest.layers.entries()) {
    const isProvided = await hasBlob(path, digest).catch((error: unknown) => {
      throw withContext("failed to get layer info", error);
    });
    // The layout omits the run image's blobs.
    if (!isProvided) continue;
    const createdBy = entries[index]?.created_by ?? "";
    provided.push({ index, createdBy, path: toByteString(blobPath(path, digest)), digest });
  }
  return provided;
}

/**
 * The `config` of the extended run image, if it replaces the run image's (docs/compatibility.md#inherited-config).
 * Never in a layout, as in the reference.
 * @returns undefined if the run image's config stays
 * @throws Fault `failed to get extended image config: ...` with exit code 1
 */
export async function readExtendedConfig(
  { settings, analyzed }: ResolvedInputs,
  logger: Logger,
): Promise<ContainerConfig | undefined> {
  const isExtended = gates(settings.platformApi).hasExtensions && analyzed.runImage?.extend === true;
  if (!isExtended || settings.layout) return undefined;
  try {
    const image = await readExtendedImage(settings);
    if (image === undefined)
      throw new Fault("EXPORT_LAYOUT_MISSING", "missing extended run image", {
        hint: hintLine`Run the extender again: analyzed.toml marks the run image as extended, but ${settings.extendedDir}/run is empty.`,
      });
    if (!settings.daemon) logger.debug("Using config from extensions...");
    return image.config.config;
  } catch (error) {
    throw failTo("get extended image config", error);
  }
}
