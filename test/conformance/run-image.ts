import { crc32 } from "node:zlib";
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
import { contentOf } from "./materialise.ts";
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

const TYPE_FLAGS: Partial<Record<CaseFile["type"], string>> = { file: "0", dir: "5", symlink: "2" };

/** A tar by hand: mtime 0, no names of users, two zero blocks at the end. */
function ustar(files: readonly CaseFile[]): Buffer {
  const parts: Buffer[] = [];
  for (const file of files) {
    const data = file.type === "file" ? contentOf(file, (text) => text) : Buffer.alloc(0);
    const header = Buffer.alloc(512);
    const octal = (value: number, offset: number, length: number) =>
      header.write(value.toString(8).padStart(length - 1, "0"), offset, "latin1");
    header.write(`${file.path}${file.type === "dir" ? "/" : ""}`, 0, "latin1");
    octal(Number.parseInt(file.mode ?? "0644", 8), 100, 8);
    octal(file.uid, 108, 8);
    octal(file.gid, 116, 8);
    octal(data.length, 124, 12);
    octal(0, 136, 12);
    header.fill(" ", 148, 156);
    header.write(TYPE_FLAGS[file.type] ?? "", 156, "latin1");
    header.write(file.target ?? "", 157, "latin1");
    header.write("ustar\x0000", 257, "latin1");
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    parts.push(header, data, Buffer.alloc((512 - (data.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
