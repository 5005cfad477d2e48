import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { RegistryRepository } from "../../src/destinations/registry/repository.ts";
import { OCI_LAYER_GZIP } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { seededBytes } from "../support/random.ts";
import { type Reply, refusal } from "../support/registry/exchange.ts";
import type { FaultAction } from "../support/registry/faults.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { OPTIONS } from "../support/registry/test-registries.ts";
import { ALWAYS, BLOBS, PushScene, UPLOADS } from "../support/scenes/push-scene.ts";
import { rejectionOf } from "../support/thrown-by.ts";

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
    await scene.from.putBlob(TestBlob.complete(LAYER), OPTIONS);
    return scene;
  }

  deliver(action: FaultAction): void {
    this.source.faults.add({ method: "GET", target: BLOBS, action, times: ALWAYS });
  }

  copy(descriptor = DESCRIPTOR) {
    return this.target.repository.copyBlob(descriptor, this.from, OPTIONS);
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

test.each([
  ["sends the requested range", undefined],
  ["ignores ranges", delivered(LAYER, true)],
])("an interrupted copy resumes if the source %s", async (_name, action) => {
  await using scene = await CopyScene.open();
  if (action !== undefined) scene.deliver(action);
  scene.target.fail("PATCH", UPLOADS, { dropAfterBytes: 100_000 });
  expect(await scene.copy()).toMatchObject({ outcome: "uploaded" });
  expect(scene.target.server.count("POST", UPLOADS)).toBe(1);
  expect(scene.source.requests.at(-1)?.headers.range).toBe("bytes=100000-");
});

test("a missing blob is reported for the registry it is missing from, and does not affect uploads to the other", async () => {
  await using scene = await CopyScene.open();
  scene.deliver({ answer: { status: 404 } });
  expect(await rejectionOf(scene.copy())).toMatchObject({
    code: "EXPORT_REGISTRY_NOT_FOUND",
    destination: scene.from.name,
    hint: "Restore the blob, or push the image that references it again.",
  });
  expect(scene.target.server.count("POST", UPLOADS)).toBe(1);
  expect(scene.target.logger.lines).toEqual([]);
  await scene.target.pushWhole();
  expect(scene.target.server.count("PATCH", UPLOADS)).toBe(2);
});

// The registry has 0.4 s to cancel the upload, which it exceeds on a busy machine.
test("the error for a blob that may not be pulled asks for credentials that may pull", { retry: 3 }, async () => {
  await using scene = await CopyScene.open();
  scene.deliver({ answer: refusal(403, "DENIED", "requested access to the resource is denied") });
  expect(await rejectionOf(scene.copy())).toMatchObject({
    code: "EXPORT_REGISTRY_DENIED",
    destination: scene.from.name,
    hint: `Give credentials that may pull from ${scene.from.name}, in CNB_REGISTRY_AUTH or docker's config.json.`,
  });
  expect(scene.target.server.blobs.pending).toBe(0);
});

test("the error for a source that keeps failing names the source, not the target", async () => {
  await using scene = await CopyScene.open();
  scene.deliver({ answer: { status: 503 } });
  const error = await rejectionOf(scene.copy());
  expect(error).toMatchObject({ message: expect.stringContaining(`GET http://${scene.source.host}/`) });
  expect(error).toMatchObject({
    hint: expect.stringMatching(/^Tried \d+ times in 5m0s; -retry-budget says for how long\.$/),
  });
});

test.each([
  ["refuses its digest", undefined],
  ["stores what it gets under another digest", LONGER],
])("a damaged blob names the registry that delivered it if the target %s", async (_name, stored) => {
  await using scene = await CopyScene.open();
  const damaged = Buffer.from(LAYER);
  damaged[1000] = (damaged[1000] ?? 0) ^ 1;
  scene.deliver(delivered(damaged, true));
  if (stored !== undefined)
    scene.target.fail("PUT", UPLOADS, {
      answer: { status: 201, headers: { "docker-content-digest": digestOf(stored) } },
    });
  const [got, want] = [damaged, LAYER].map((bytes) => digestOf(bytes).slice("sha256:".length));
  expect(await rejectionOf(scene.copy())).toMatchObject({
    code: "EXPORT_REGISTRY_DIGEST",
    message: `blob ${DESCRIPTOR.digest} of ${scene.from.name}: error verifying sha256 checksum after reading ${LAYER.length} bytes; got "${got}", want "${want}"`,
    destination: scene.from.name,
  });
});

test("the error for a target that rejects an intact blob names the target", async () => {
  await using scene = await CopyScene.open();
  scene.target.fail("PUT", UPLOADS, { answer: refusal(400, "DIGEST_INVALID", "provided digest did not match") });
  expect(await rejectionOf(scene.copy())).toMatchObject({
    code: "EXPORT_REGISTRY_REFUSED",
    destination: scene.target.repository.name,
  });
});
