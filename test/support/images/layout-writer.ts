import { mkdirSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { copyBlob, putBlob } from "../../../src/destinations/layout/blobs.ts";
import { Layout, REF_NAME } from "../../../src/destinations/layout/layout.ts";
import { SpooledBlob } from "../../../src/engine/spool.ts";
import type { BuiltImage } from "../../../src/images/image.ts";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { blobFile } from "./layout.ts";

export interface LayoutContents {
  /** A layer that is copied from another layout, like a run image's. */
  readonly copied: string;
  readonly made: string;
}

/** Writes an image to the layout in a directory as an export does; the other layout is beside it. */
export async function writeLayout(directory: string, { copied, made }: LayoutContents): Promise<void> {
  const layout = new Layout(join(directory, "app"));
  const other = join(directory, "run");
  const layers = [copied, made].map((text) => ({ blob: gzipSync(text), diffId: digestOf(Buffer.from(text)) }));
  const [base, own] = layers.map(({ blob }) => ({ digest: digestOf(blob), size: blob.length }));
  if (base === undefined || own === undefined) throw new Error("there are two layers");
  mkdirSync(join(other, "blobs", "sha256"), { recursive: true });
  writeFileSync(blobFile(other, base.digest), layers[0]?.blob ?? "");
  const spool = await SpooledBlob.named(await layout.create());
  writeSync(spool.fileDescriptor, layers[1]?.blob ?? Buffer.alloc(0));
  spool.complete(own);
  await copyBlob(layout.path, base, other);
  await putBlob(layout.path, spool, new AbortController().signal);
  await spool.release();
  await layout.putImage(imageOf([base, own], layers), "latest");
  layout.close();
}

type Sized = Pick<BuiltImage["layers"][number], "digest" | "size">;

function imageOf(blobs: readonly Sized[], layers: readonly { readonly diffId: string }[]): BuiltImage {
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const rootfs = { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) };
  const configBytes = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs, config: { Labels: {} } }),
  );
  const configDescriptor = describe(OCI_CONFIG, configBytes);
  const descriptors = blobs.map((blob) => ({ mediaType: OCI_LAYER_GZIP, ...blob }));
  const annotations = { [REF_NAME]: "latest" };
  const manifestBytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, config: configDescriptor, layers: descriptors, annotations }),
  );
  return {
    configBytes,
    configDescriptor,
    manifestBytes,
    manifestDescriptor: describe(OCI_MANIFEST, manifestBytes),
    layers: descriptors,
  };
}
