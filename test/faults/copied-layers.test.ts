import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { RegistryRepository } from "../../src/destinations/registry/repository.ts";
import { OCI_LAYER_GZIP } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { ALWAYS, BLOBS, PushScene, UPLOADS } from "../support/push-scene.ts";
import { seededBytes } from "../support/random.ts";
import type { Reply } from "../support/registry/exchange.ts";
import type { FaultAction } from "../support/registry/faults.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const WORK = { priority: 0 };
const LAYER = seededBytes(300_000, 1);
const DESCRIPTOR = { mediaType: OCI_LAYER_GZIP, size: LAYER.length, digest: digestOf(LAYER) };

/** A registry with a base image's layer, which is copied to another registry. */
class CopyScene implements AsyncDisposable {
  readonly source: FakeRegistry;
  readonly target: PushScene;
  readonly from: RegistryRepository;

  private constructor(source: FakeRegistry, target: PushScene) {
    this.source = source;
    this.target = target;
    this.from = target.registries.repository(parseReference(`${source.host}/run/base`));
  }

  static async open(): Promise<CopyScene> {
    const scene = new CopyScene(await FakeRegistry.start(), await PushScene.open());
    await scene.from.putBlob(TestBlob.complete(LAYER), WORK);
    return scene;
  }

  deliver(action: FaultAction): void {
    this.source.faults.add({ method: "GET", target: BLOBS, action, times: ALWAYS });
  }

  copy(descriptor = DESCRIPTOR) {
    return this.target.repository.copyBlob(descriptor, this.from, WORK);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.target[Symbol.asyncDispose]();
    await this.source[Symbol.asyncDispose]();
  }
}

const delivered = (bytes: Buffer, isAnnounced: boolean): FaultAction => ({
  change: (): Reply =>
    isAnnounced
      ? { status: 200, headers: { "content-length": String(bytes.length) }, body: bytes }
      : { status: 200, headers: { "transfer-encoding": "chunked" }, body: Readable.from([bytes]) },
});

const LONGER = Buffer.concat([LAYER, Buffer.from("more")]);
const SHORTER = LAYER.subarray(0, -1);

test.each([
  ["longer than its descriptor says", DESCRIPTOR.size, LONGER, true, LONGER.length],
  ["longer, without Content-Length,", DESCRIPTOR.size, LONGER, false, "more"],
  ["shorter", DESCRIPTOR.size, SHORTER, true, SHORTER.length],
  ["shorter, without Content-Length,", DESCRIPTOR.size, SHORTER, false, SHORTER.length],
  ["with a wrong size in the manifest", 7, LAYER, true, LAYER.length],
  ["without a size in the manifest", 0, LAYER, true, LAYER.length],
  ["without a size and Content-Length", 0, LAYER, false, "more"],
])("a blob %s fails at once and names its registry", async (_name, size, bytes, isAnnounced, got) => {
  await using scene = await CopyScene.open();
  scene.deliver(delivered(bytes, isAnnounced));
  expect(await rejectionOf(scene.copy({ ...DESCRIPTOR, size }))).toMatchObject({
    code: "EXPORT_REGISTRY_BLOB",
    message: `blob ${DESCRIPTOR.digest} of ${scene.from.name}: expected ${size} bytes, got ${got}`,
    destination: scene.from.name,
  });
  expect(scene.target.server.count("POST", UPLOADS)).toBe(1);
  expect(scene.target.logger.lines).toEqual([]);
});
