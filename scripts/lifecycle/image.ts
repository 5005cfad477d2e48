import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { blobPath } from "../../src/destinations/layout/blobs.ts";
import { indexJson, OCI_LAYOUT_TEXT } from "../../src/destinations/layout/layout.ts";
import { blankEntry, NORMALIZED_TIME, serializeImage } from "../../src/images/image.ts";
import { type Descriptor, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { emptyImageConfig, imageConfigBytes } from "../../src/oci/image-config.ts";
import type { Architecture } from "../binary/fetch-runtime.ts";
import type { ArchiveEntry, LifecycleDescriptor } from "./archive.ts";
import type { CompressedTar } from "./tar-compressor.ts";

const CERTIFICATES = "etc/ssl/certs/ca-certificates.crt";

/**
 * What the lifecycle's image contains besides the lifecycle (distroless static): certificate authorities, which are
 * Mozilla's in the pinned Node.js; users; name service configuration; a directory for temporary files.
 */
export const BASE_FILES: readonly ArchiveEntry[] = [
  file(CERTIFICATES, `${rootCertificates.join("\n")}\n`),
  file(
    "etc/passwd",
    `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
`,
  ),
  file("etc/group", "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"),
  file("etc/nsswitch.conf", "hosts: files dns\n"),
  { name: "tmp", mode: 0o1777, content: "directory" },
];

function file(name: string, text: string): ArchiveEntry {
  return { name, mode: 0o644, content: Buffer.from(text) };
}

export interface LifecycleImage {
  readonly architecture: Architecture;
  readonly descriptor: LifecycleDescriptor;
  /** From the bottom: {@link BASE_FILES}, and the lifecycle below /cnb. kpack copies the last one into its builders. */
  readonly layers: readonly [CompressedTar, CompressedTar];
}

/**
 * Writes an OCI layout with one image for all architectures.
 * @param path a directory that does not exist yet
 * @param env variables of the image, as `<name>=<value>`
 */
export function writeImageLayout(path: string, images: readonly LifecycleImage[], env: readonly string[]): void {
  mkdirSync(join(path, "blobs", "sha256"), { recursive: true });
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: images.map(({ architecture, ...image }) => ({
      ...writeImage(path, { architecture, ...image }, env),
      platform: { architecture, os: "linux" },
    })),
  };
  const descriptor = writeBlob(path, OCI_INDEX, Buffer.from(JSON.stringify(index)));
  writeFileSync(join(path, "oci-layout"), OCI_LAYOUT_TEXT);
  writeFileSync(join(path, "index.json"), indexJson(descriptor, "latest"));
}

/** The image that the lifecycle's tools/image builds on its base. */
function writeImage(
  path: string,
  { architecture, descriptor, layers }: LifecycleImage,
  env: readonly string[],
): Descriptor {
  const config = emptyImageConfig({ os: "linux", architecture });
  const { configBytes, manifestBytes } = serializeImage(
    imageConfigBytes({
      ...config,
      created: NORMALIZED_TIME,
      history: layers.map(() => blankEntry(NORMALIZED_TIME)),
      rootfs: { ...config.rootfs, diff_ids: layers.map(({ diffId }) => diffId) },
      config: {
        ...config.config,
        Env: [
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          `SSL_CERT_FILE=/${CERTIFICATES}`,
          ...env,
        ],
        Labels: labelsOf(descriptor),
        WorkingDir: "/layers",
      },
    }),
    {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: 0, digest: digestOf(new Uint8Array()) },
      layers: layers.map(({ digest, size }) => ({ mediaType: OCI_LAYER_GZIP, digest, size })),
    },
    OCI_MANIFEST,
  );
  for (const { path: compressed, digest } of layers) copyFileSync(compressed, blobPath(path, digest));
  writeBlob(path, OCI_CONFIG, configBytes);
  return writeBlob(path, OCI_MANIFEST, manifestBytes);
}

function writeBlob(path: string, mediaType: string, bytes: Uint8Array): Descriptor {
  const digest = digestOf(bytes);
  writeFileSync(blobPath(path, digest), bytes);
  return { mediaType, size: bytes.length, digest };
}

/** As kpack, pack and others read them (lifecycle tools/image/main.go). */
function labelsOf({ apis, lifecycle }: LifecycleDescriptor): Map<string, string> {
  const oldest = { buildpack: apis.buildpack.supported[0], platform: apis.platform.supported[0] };
  return new Map([
    ["io.buildpacks.builder.metadata", JSON.stringify({ lifecycle, api: oldest })],
    ["io.buildpacks.lifecycle.apis", JSON.stringify(apis)],
    ["io.buildpacks.lifecycle.version", lifecycle.version],
  ]);
}
