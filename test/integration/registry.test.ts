import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Registries } from "../../src/destinations/registry/registries.ts";
import { OCI_LAYER_GZIP } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { seededBytes } from "../support/random.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { type AnyRegistry, REGISTRY_KINDS } from "../support/registry/registry-kinds.ts";
import { testImage, testIndex } from "../support/registry/test-image.ts";
import { OPTIONS, testRegistries } from "../support/registry/test-registries.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const AMD64 = { os: "linux", architecture: "amd64" };

describe.for(REGISTRY_KINDS)("against $name", ({ start, isMissing, quirks }) => {
  let server: AnyRegistry;
  let registries: Registries;

  beforeAll(async () => {
    if (isMissing) return;
    server = await start();
    registries = testRegistries(new RecordingLogger());
  });

  afterAll(async () => {
    await registries?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const at = (path: string) => parseReference(`${server.host}/${path}`);

  test.skipIf(isMissing)("pushes a blob while it grows, and image and tags after it", async () => {
    const layer = seededBytes(9 << 20, 1);
    const repository = registries.repository(at("grow/app"));
    const blob = new TestBlob(layer);
    const seen: number[] = [];
    blob.growTo(5 << 20);
    const put = repository.putBlob(blob, { ...OPTIONS, onBytes: (bytes) => seen.push(bytes) });
    // The upload must start before the blob is complete.
    while (blob.reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    blob.growTo(7 << 20);
    blob.complete();
    expect(await put).toEqual({ digest: digestOf(layer), size: layer.length, outcome: "uploaded" });
    expect(seen.at(-1)).toBe(layer.length);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));

    const { config, manifest } = testImage([layer]);
    await repository.putBytes(config, OPTIONS);
    const results = await repository.putTags([at("grow/app:one"), at("grow/app:two")], manifest, OPTIONS);
    expect(results.map(({ outcome }) => outcome)).toEqual(["pushed", "pushed"]);
    const again = await repository.putTags([at("grow/app:one")], manifest, OPTIONS);
    expect(again.map(({ outcome }) => outcome)).toEqual(["pushed"]);

    const image = await repository.openImage(at("grow/app:two"), AMD64, OPTIONS);
    expect(image.reference.name).toBe(`${server.host}/grow/app@${manifest.digest}`);
    expect(image.descriptor.digest).toBe(manifest.digest);
    expect(image.configBytes).toEqual(config);
    expect(image.manifest.layers[0]).toMatchObject({ digest: digestOf(layer), size: layer.length });
    expect(await repository.isComplete(image, OPTIONS)).toBe(true);
  });

  test.skipIf(isMissing)("does not send a complete blob that is there", async () => {
    const layer = seededBytes(100_000, 2);
    await registries.repository(at("twice/app")).putBlob(TestBlob.complete(layer), OPTIONS);
    const others = testRegistries(new RecordingLogger());
    const second = TestBlob.complete(layer);
    expect(await others.repository(at("twice/app")).putBlob(second, OPTIONS)).toMatchObject({ outcome: "existing" });
    expect(second.reads).toEqual([]);
    await others.close();
  });

  test.skipIf(isMissing)("mounts from another repository, and uploads blobs that the other lacks", async () => {
    const layer = seededBytes(100_000, 3);
    const from = registries.repository(at("mount/from"));
    const to = registries.repository(at("mount/to"));
    await from.putBlob(TestBlob.complete(layer), OPTIONS);
    const mounted = TestBlob.complete(layer);
    const outcome = quirks.includes("shares blobs") ? "existing" : "mounted";
    expect(await to.putBlob(mounted, { ...OPTIONS, mountFrom: from })).toMatchObject({ outcome });
    expect(mounted.reads).toEqual([]);
    expect(await to.hasBlob(digestOf(layer), OPTIONS)).toBe(true);

    const other = TestBlob.complete(seededBytes(100_000, 4));
    expect(await to.putBlob(other, { ...OPTIONS, mountFrom: from })).toMatchObject({ outcome: "uploaded" });
  });

  test.skipIf(isMissing)("passes the layers of another registry on", async () => {
    await using source = await FakeRegistry.start();
    const layer = seededBytes(3 << 20, 5);
    const base = registries.repository(parseReference(`${source.host}/run/base`));
    await base.putBlob(TestBlob.complete(layer), OPTIONS);
    const to = registries.repository(at("copy/app"));
    const descriptor = { mediaType: OCI_LAYER_GZIP, size: layer.length, digest: digestOf(layer) };
    expect(await to.copyBlob(descriptor, base, OPTIONS)).toMatchObject({ outcome: "uploaded" });
    expect(await to.hasBlob(descriptor.digest, OPTIONS)).toBe(true);
    const foreign = { ...descriptor, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" };
    expect(await to.copyBlob(foreign, base, OPTIONS)).toBeUndefined();
  });

  test.skipIf(isMissing)("opens the image of an index that fits the platform", async () => {
    const repository = registries.repository(at("index/run"));
    const images = ["amd64", "arm64"].map((architecture) => ({ architecture, ...testImage([], architecture) }));
    for (const { config, manifest } of images) {
      await repository.putBytes(config, OPTIONS);
      await repository.putTags([repositoryReference(manifest.digest)], manifest, OPTIONS);
    }
    function repositoryReference(digest: string) {
      return parseReference(`${server.host}/index/run@${digest}`);
    }
    const index = testIndex(images.map(({ architecture, manifest }) => ({ architecture, bytes: manifest.bytes })));
    await repository.putTags([at("index/run:all")], index, OPTIONS);
    const arm = await repository.openImage(at("index/run:all"), { os: "linux", architecture: "arm64" }, OPTIONS);
    expect(arm.descriptor.digest).toBe(images[1]?.manifest.digest);
    expect(JSON.parse(arm.configBytes.toString())).toMatchObject({ architecture: "arm64" });

    const child = { bytes: index.bytes, architecture: "arm64", mediaType: index.mediaType };
    const nested = testIndex([child, { bytes: index.bytes, architecture: "amd64" }]);
    await repository.putTags([at("index/run:nested")], nested, OPTIONS);
    const inner = await repository.openImage(at("index/run:nested"), { os: "linux", architecture: "arm64" }, OPTIONS);
    expect(inner.descriptor).toEqual(arm.descriptor);

    const none = { os: "linux", architecture: "s390x" };
    expect(await rejectionOf(repository.findImage(at("index/run:all"), none, OPTIONS))).toMatchObject({
      code: "EXPORT_REGISTRY_NO_PLATFORM",
      message: `connect to repo store "${at("index/run:all")}": no child with platform linux/s390x in index ${at("index/run:all")}`,
    });
  });

  test.skipIf(isMissing)("says after six tries that an image is missing", async () => {
    const logger = new RecordingLogger();
    const own = testRegistries(logger);
    const reference = at("none/such:tag");
    const repository = own.repository(reference);
    // An unknown repository would be final, and some registries know only those that have a manifest.
    const { config, manifest } = testImage([]);
    await repository.putBytes(config, OPTIONS);
    await repository.putTags([at("none/such:other")], manifest, OPTIONS);
    const error = await rejectionOf(repository.openImage(reference, AMD64, OPTIONS));
    expect(error).toMatchObject({ code: "EXPORT_REGISTRY_NOT_FOUND", destination: reference.name });
    const words = quirks.includes("other words") ? "" : "MANIFEST_UNKNOWN: manifest unknown; map[Tag:tag]";
    expect(String(error)).toContain(
      `connect to repo store "${reference}": GET http://${server.host}/v2/none/such/manifests/tag: ${words}`,
    );
    expect(logger.lines).toHaveLength(5);
    expect(logger.lines[4]).toMatch(/^warn Failed to open remote image \(attempt 5\/6\): .*, retrying in 2s$/);
    expect(await repository.findImage(reference, AMD64, OPTIONS)).toBeUndefined();
    await own.close();
  });

  test.skipIf(isMissing || quirks.includes("keeps tags"))("deletes a manifest by its digest", async () => {
    const { config, manifest } = testImage([]);
    const reference = at("delete/cache:latest");
    const repository = registries.repository(reference);
    await repository.putBytes(config, OPTIONS);
    await repository.putTags([reference], manifest, OPTIONS);
    expect(await repository.findImage(reference, AMD64, OPTIONS)).toBeDefined();
    await repository.deleteManifest(manifest.digest, OPTIONS);
    expect(await repository.findImage(reference, AMD64, OPTIONS)).toBeUndefined();
  });

  test.skipIf(isMissing)("shares one upload between all that want the blob at the same time", async () => {
    const own = testRegistries(new RecordingLogger());
    const repository = own.repository(at("share/app"));
    const layer = seededBytes(1 << 20, 6);
    const blobs = [1, 2, 3].map(() => TestBlob.complete(layer));
    await Promise.all(blobs.map((blob) => repository.putBlob(blob, OPTIONS)));
    expect(blobs.flatMap(({ reads }) => reads)).toEqual([0]);
    expect(own.counters.uploads).toBe(1);
    await own.close();
  });
});

describe("credentials", () => {
  const secret = { username: "jane", password: "s3cret" };
  const header = `Basic ${Buffer.from("jane:s3cret").toString("base64")}`;

  test("a bearer token is fetched once for a set of scopes, however many requests wait for it", async () => {
    await using server = await FakeRegistry.start({ auth: { kind: "bearer", ...secret } });
    const registries = testRegistries(new RecordingLogger(), { [server.host]: header });
    const reference = parseReference(`${server.host}/a/app:v1`);
    const repository = registries.repository(reference);
    const layers = [1, 2, 3, 4, 5, 6].map((seed) => seededBytes(50_000, seed));
    await Promise.all(layers.map((layer) => repository.putBlob(TestBlob.complete(layer), OPTIONS)));
    const { config, manifest } = testImage(layers);
    await repository.putBytes(config, OPTIONS);
    expect((await repository.putTags([reference], manifest, OPTIONS))[0]?.outcome).toBe("pushed");
    expect(server.auth?.issued).toEqual(["repository:a/app:push,pull"]);
    // https is tried first, and fails before a request.
    expect(server.count("GET", /^\/v2\/$/)).toBe(1);
    await registries.close();
  });

  test("a mount asks for the right to pull the source as well", async () => {
    await using server = await FakeRegistry.start({ auth: { kind: "bearer", ...secret } });
    const registries = testRegistries(new RecordingLogger(), { [server.host]: header });
    const [from, to] = ["a/from", "a/to"].map((path) =>
      registries.repository(parseReference(`${server.host}/${path}`)),
    );
    if (from === undefined || to === undefined) throw new Error("unreachable");
    const layer = seededBytes(50_000, 1);
    await from.putBlob(TestBlob.complete(layer), OPTIONS);
    const put = await to.putBlob(TestBlob.complete(layer), { ...OPTIONS, mountFrom: from });
    expect(put.outcome).toBe("mounted");
    expect(server.auth?.issued).toContain("repository:a/to:push,pull repository:a/from:pull");
    await registries.close();
  });

  test("an identity token is exchanged by POST", async () => {
    await using server = await FakeRegistry.start({ auth: { kind: "bearer", ...secret, identityToken: "refresh" } });
    const registries = testRegistries(new RecordingLogger(), { [server.host]: "X-Identity refresh" });
    const repository = registries.repository(parseReference(`${server.host}/a/app`));
    await repository.putBytes(Buffer.from("x"), OPTIONS);
    expect(server.count("POST", /^\/token$/)).toBe(1);
    await registries.close();
  });

  test("basic", async () => {
    await using server = await FakeRegistry.start({ auth: { kind: "basic", ...secret } });
    const registries = testRegistries(new RecordingLogger(), { [server.host]: header });
    const repository = registries.repository(parseReference(`${server.host}/a/app`));
    expect(await repository.putBytes(Buffer.from("x"), OPTIONS)).toMatchObject({ outcome: "uploaded" });
    await registries.close();
  });

  test("wrong credentials are reported at once and not shown", async () => {
    await using server = await FakeRegistry.start({ auth: { kind: "bearer", ...secret } });
    const logger = new RecordingLogger();
    const registries = testRegistries(logger, { [server.host]: "Basic d3Jvbmc6c2VjcmV0" });
    const reference = parseReference(`${server.host}/a/app`);
    const error = await rejectionOf(registries.repository(reference).openImage(reference, AMD64, OPTIONS));
    expect(error).toMatchObject({ code: "EXPORT_REGISTRY_DENIED" });
    expect(String(error)).toContain("UNAUTHORIZED: authentication required");
    expect(`${error} ${JSON.stringify(error)} ${logger.lines}`).not.toMatch(/d3Jvbmc6c2VjcmV0|wrong:secret/);
    expect(logger.lines).toEqual([]);
    await registries.close();
  });
});
