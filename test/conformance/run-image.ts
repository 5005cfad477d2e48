import { crc32 } from "node:zlib";
import {
  MAGIC,
  paddedSize,
  RECORD_SIZE,
  sealRecord,
  TAR_TYPE,
  TRAILER_SIZE,
  writeRecord,
} from "../../src/go/tar-header.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { contentOf } from "./materialize.ts";
import type { CaseFile, RunImageSpec } from "./recorded-case.ts";

const MEDIA_TYPES = {
  docker: { manifest: DOCKER_MANIFEST, config: DOCKER_CONFIG, layer: DOCKER_LAYER_GZIP, index: DOCKER_MANIFEST_LIST },
  oci: { manifest: OCI_MANIFEST, config: OCI_CONFIG, layer: OCI_LAYER_GZIP, index: OCI_INDEX },
} as const;

/** A run image whose every byte, and so every digest, follows from its description. */
export interface RunImage {
  readonly blobs: readonly Buffer[];
  readonly layerDigests: ReadonlySet<string>;
  readonly manifests: readonly { readonly bytes: Buffer; readonly mediaType: string }[];
  /** Of what its tag points to: the manifest, or the index around it. */
  readonly digest: string;
}

export function buildRunImage(spec: RunImageSpec): RunImage {
  const types = MEDIA_TYPES[spec.mediaTypes];
  const tars = spec.layers.map(ustar);
  const layers = tars.map(storedGzip);
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
  const config = json("rootfs" in spec.config ? spec.config : { ...spec.config, rootfs });
  const manifest = json({
    schemaVersion: 2,
    ...(spec.omitManifestMediaType ? {} : { mediaType: types.manifest }),
    config: { mediaType: types.config, size: config.length, digest: digestOf(config), ...spec.configDescriptor },
    layers: layers.map((bytes, i) => {
      return { mediaType: types.layer, size: bytes.length, digest: digestOf(bytes), ...spec.layerDescriptors[i] };
    }),
    ...(spec.manifestAnnotations === undefined ? {} : { annotations: spec.manifestAnnotations }),
    ...spec.manifestExtra,
  });
  const manifests = [{ bytes: manifest, mediaType: types.manifest as string }];
  if (spec.index) manifests.push({ bytes: indexOf(manifest, types), mediaType: types.index });
  return {
    blobs: [...layers, config],
    layerDigests: new Set(layers.map((layer) => digestOf(layer))),
    manifests,
    digest: digestOf((manifests.at(-1) as { bytes: Buffer }).bytes),
  };
}

function indexOf(manifest: Buffer, types: { readonly manifest: string; readonly index: string }): Buffer {
  const manifests = ["amd64", "arm64"].map((architecture) => ({
    mediaType: types.manifest,
    size: manifest.length,
    digest: digestOf(manifest),
    platform: { architecture, os: "linux" },
  }));
  return json({ schemaVersion: 2, mediaType: types.index, manifests });
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

const STORED_MAX = 65_535;

/** gzip with stored blocks: the same bytes from every zlib. */
function storedGzip(tar: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
  for (let offset = 0; offset < tar.length; offset += STORED_MAX) {
    const block = tar.subarray(offset, offset + STORED_MAX);
    const header = Buffer.alloc(5);
    header[0] = offset + STORED_MAX >= tar.length ? 1 : 0;
    header.writeUInt16LE(block.length, 1);
    header.writeUInt16LE(~block.length & 0xffff, 3);
    parts.push(header, block);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(tar), 0);
  trailer.writeUInt32LE(tar.length, 4);
  return Buffer.concat([...parts, trailer]);
}

const TYPES: Partial<Record<CaseFile["type"], number>> = {
  file: TAR_TYPE.file,
  dir: TAR_TYPE.directory,
  symlink: TAR_TYPE.symlink,
};

/** A tar with mtime 0, without user names and device numbers. */
function ustar(files: readonly CaseFile[]): Buffer {
  const parts: Buffer[] = [];
  for (const file of files) {
    const data = file.type === "file" ? contentOf(file, (text) => text) : Buffer.alloc(0);
    const header = Buffer.alloc(RECORD_SIZE);
    const values = {
      name: `${file.path}${file.type === "dir" ? "/" : ""}`,
      type: TYPES[file.type] ?? 0,
      mode: Number.parseInt(file.mode ?? "0644", 8),
      uid: file.uid,
      gid: file.gid,
      size: data.length,
      linkName: file.target ?? "",
      deviceMajor: undefined,
      deviceMinor: undefined,
    };
    writeRecord(header, values, 0);
    sealRecord(header, MAGIC.ustar);
    parts.push(header, data, Buffer.alloc(paddedSize(data.length) - data.length));
  }
  return Buffer.concat([...parts, Buffer.alloc(TRAILER_SIZE)]);
}
