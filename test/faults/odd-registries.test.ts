import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { toFault } from "../../src/errors/fault.ts";
import { DEFAULT_TIMEOUTS } from "../../src/http/http.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { CertificateAuthority } from "../support/network/certificate.ts";
import { RawServer } from "../support/network/raw-server.ts";
import { seededBytes } from "../support/random.ts";
import { type Exchange, type Reply, refusal } from "../support/registry/exchange.ts";
import type { FaultAction } from "../support/registry/faults.ts";
import { testImage } from "../support/registry/test-image.ts";
import { openRegistries } from "../support/registry/test-registries.ts";
import { ALWAYS, BLOBS, PushScene, REPOSITORY, UPLOADS } from "../support/scenes/push-scene.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const MIB = 1 << 20;

const changed = (change: Partial<Reply>): FaultAction => ({ change: (reply) => ({ ...reply, ...change }) });
const withHeaders = (change: (headers: Readonly<Record<string, string>>) => Record<string, string>): FaultAction => ({
  change: (reply) => ({ ...reply, headers: change(reply.headers ?? {}) }),
});
const without = (...names: readonly string[]): FaultAction =>
  withHeaders((headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name))));

describe("Location", () => {
  const locations: Readonly<Record<string, (location: string, host: string) => string>> = {
    absolute: (location, host) => `http://${host}${location}`,
    "with the wrong scheme": (location, host) => `https://${host}${location}`,
    "without the scheme": (location, host) => `//${host}${location}`,
    "relative to the request": (location) => location.replace(/^.*\//, ""),
    "with a query, which is kept": (location) => `${location}&a=b%2Fc&d=%20`,
    "on another host": (location, host) => `http://localhost:${host.split(":")[1]}${location}`,
  };
  test.each(Object.keys(locations))("that is %s", async (name) => {
    await using scene = await PushScene.open({}, {}, "user:secret");
    const change = withHeaders((headers) => ({
      ...headers,
      location: locations[name]?.(headers.location ?? "", scene.server.host) ?? "",
    }));
    scene.fail("POST", UPLOADS, change);
    await scene.pushWhole();
    const elsewhere = scene.server.requests.filter(({ headers }) => headers.host?.startsWith("localhost"));
    expect(elsewhere.length > 0).toBe(name === "on another host");
    for (const { headers } of elsewhere) expect(headers.authorization).toBeUndefined();
  });

  test("on an unreachable host is reported with the registry that refers to it", async () => {
    await using scene = await PushScene.open();
    scene.fail(
      "POST",
      UPLOADS,
      withHeaders((headers) => ({ ...headers, location: `http://localhost:1${headers.location}` })),
      ALWAYS,
    );
    expect(await rejectionOf(scene.push())).toMatchObject({
      message: expect.stringContaining("connection refused"),
      hint: expect.stringContaining(
        `${scene.server.host} refers to localhost:1: if it should not, correct its external`,
      ),
    });
  });

  test.each([
    [
      "413",
      { status: 413, body: "too large" },
      "ELSEWHERE, or a proxy in front of it, limits the size of request bodies",
    ],
    ["507", { status: 507, body: "full" }, "Make room in ELSEWHERE, "],
    ["401", { status: 401 }, "ELSEWHERE refuses what REGISTRY permits: "],
    ["403", refusal(403, "DENIED", "no"), "ELSEWHERE refuses what REGISTRY permits: "],
  ])("on another host that answers %s gets advice about that host, too", async (_, answer, advice) => {
    await using scene = await PushScene.open();
    const elsewhere = scene.server.host.replace("127.0.0.1", "localhost");
    const change = withHeaders((headers) => ({ ...headers, location: `http://${elsewhere}${headers.location}` }));
    scene.fail("POST", UPLOADS, change, ALWAYS);
    scene.fail("PATCH", UPLOADS, { answer }, ALWAYS);
    const { hint } = toFault(await rejectionOf(scene.push()));
    expect(hint).toContain(advice.replace("ELSEWHERE", elsewhere).replace("REGISTRY", scene.server.host));
    expect(hint).not.toContain("credentials");
    expect(hint).toContain(`${scene.server.host} refers to ${elsewhere}: if it should not, `);
  });

  test("of a 201 is an upload's, not a mounted blob's, if no mount was requested", async () => {
    await using scene = await PushScene.open();
    scene.fail("POST", UPLOADS, { change: (reply) => ({ ...reply, status: 201 }) }, 2);
    await scene.pushWhole();
  });

  test("missing from a PATCH response keeps the previous one", async () => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, without("location"));
    await scene.pushWhole();
  });
});

describe("redirects", () => {
  test.each(["POST", "PATCH", "PUT"])(
    "of a %s are followed to another host with the body and without credentials",
    async (method) => {
      await using scene = await PushScene.open({}, {}, "user:secret");
      const redirect = async (_proceed: unknown, { url, headers }: Exchange): Promise<Reply> => {
        const host = `localhost:${headers.host?.split(":")[1]}`;
        return { status: 307, headers: { location: `http://${host}${url.pathname}${url.search}` } };
      };
      scene.fail(method, UPLOADS, { around: redirect });
      const { blob } = await scene.pushWhole();
      const elsewhere = scene.server.requests.filter(({ headers }) => headers.host?.startsWith("localhost"));
      // The answers' relative Locations lead there, too.
      expect(elsewhere.map((request) => request.method)).toContain(method);
      for (const { headers } of elsewhere) expect(headers.authorization).toBeUndefined();
      expect(blob.reads).toHaveLength(method === "PATCH" ? 2 : 1);
    },
  );
});

describe("a storage that answers a redirected request with 403", () => {
  const storageOf = (scene: PushScene) => scene.server.host.replace("127.0.0.1", "localhost");

  function redirect(scene: PushScene, method: string): void {
    const answer = (_proceed: unknown, { url, headers }: Exchange): Promise<Reply> => {
      const location = `http://${storageOf(scene)}${url.pathname}`;
      const isStorage = headers.host?.startsWith("localhost") === true;
      return Promise.resolve(isStorage ? { status: 403 } : { status: 307, headers: { location } });
    };
    scene.fail(method, BLOBS, { around: answer }, ALWAYS);
  }

  test("is not mistaken for a rejected push if the request asked whether a blob exists", async () => {
    await using scene = await PushScene.open();
    redirect(scene, "HEAD");
    await scene.pushWhole();
    const { config } = testImage([]);
    const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar", size: 9, digest: digestOf(config) };
    const kept = await scene.repository.copyBlob(descriptor, scene.repository, { priority: 0 });
    expect(kept?.outcome).toBe("existing");
  });

  test("is named in the error for a blob that is read, without advice on credentials", async () => {
    await using scene = await PushScene.open();
    const reference = parseReference(`${scene.repository.name}:run`);
    const { config, manifest } = testImage([]);
    await scene.repository.putBytes(config, { priority: 0 });
    await scene.repository.putTags([reference], manifest, { priority: 0 });
    redirect(scene, "GET");
    const opening = scene.repository.openImage(reference, { os: "linux", architecture: "amd64" }, { priority: 0 });
    const { hint } = toFault(await rejectionOf(opening));
    expect(hint).toMatch(new RegExp(`^${scene.server.host} refers to ${storageOf(scene)}: `));
    expect(hint).not.toContain("credentials");
  });
});

describe("completes a push without", () => {
  test("Docker-Content-Digest headers", async () => {
    await using scene = await PushScene.open();
    for (const method of ["HEAD", "PUT"]) scene.fail(method, /./, without("docker-content-digest"), 3);
    await scene.pushWhole();
  });

  test("Range headers", async () => {
    await using scene = await PushScene.open();
    for (const method of ["POST", "PATCH"]) scene.fail(method, UPLOADS, without("range"));
    await scene.pushWhole();
  });
});

describe("completes a push to a registry that does not support", () => {
  test.each([405, 501])("HEAD (%i)", async (status) => {
    await using scene = await PushScene.open();
    scene.server.faults.add({ method: "HEAD", target: /./, times: 3, action: { answer: { status } } });
    await scene.pushWhole();
    expect(scene.server.count("POST", UPLOADS)).toBe(2);
  });

  test.each<[string, Reply]>([
    ["405", { status: 405 }],
    ["501", { status: 501 }],
    ["404 of a proxy", { status: 404, body: "<html>" }],
    ["UNSUPPORTED", refusal(400, "UNSUPPORTED", "use monolithic uploads")],
  ])("PATCH (%s), by monolithic uploads", async (_name, answer) => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, { answer });
    const { blob } = await scene.pushWhole(6 * MIB);
    expect(scene.server.count("PATCH", UPLOADS)).toBe(1);
    expect(blob.reads).toEqual([0, 0]);
    // Later uploads use what the first one learned.
    await scene.pushWhole(1000, 2);
    expect(scene.server.count("PATCH", UPLOADS)).toBe(1);
    expect(scene.logger.lines.filter((line) => line.startsWith("warn"))).toEqual([]);
  });

  test("PATCH, and restarts a broken PUT", async () => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, { answer: { status: 405 } });
    scene.fail("PUT", UPLOADS, { dropAfterBytes: 2 * MIB });
    scene.fail("PUT", UPLOADS, { dropAnswer: true });
    const { blob } = await scene.pushWhole(6 * MIB);
    expect(blob.reads).toEqual([0, 0, 0]);
  });

  test("bodies of unknown length (411), by completing the blob first", async () => {
    await using scene = await PushScene.open();
    scene.server.faults.add({
      method: "PATCH",
      target: UPLOADS,
      times: ALWAYS,
      when: ({ headers }) => headers["content-length"] === undefined,
      action: { answer: { status: 411 } },
    });
    const blob = new TestBlob(seededBytes(6 * MIB, 1));
    blob.growTo(5 * MIB);
    const put = scene.repository.putBlob(blob, { priority: 0 });
    while (scene.server.count("PATCH", UPLOADS) === 0) await new Promise((resolve) => setImmediate(resolve));
    blob.complete();
    expect(await put).toMatchObject({ outcome: "uploaded" });
    expect(scene.server.count("PATCH", UPLOADS)).toBe(2);
  });
});

describe("an interrupted upload", () => {
  const BROKEN_AT = 6_000_000;
  const SIZE = 10 * MIB;

  test.each<[string, FaultAction]>([
    ["is unknown", { answer: refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry") }],
    ["is refused", { answer: refusal(405, "UNSUPPORTED", "no status") }],
    ["lies upwards", withHeaders((headers) => ({ ...headers, range: "0-99999999" }))],
    ["lies downwards", withHeaders((headers) => ({ ...headers, range: "0-999999" }))],
    // https://github.com/aws/containers-roadmap/issues/2831
    ["is at the first byte", withHeaders((headers) => ({ ...headers, range: "0-0" }))],
    ["is not a range", withHeaders((headers) => ({ ...headers, range: "bytes=lots" }))],
    ["has no Range", without("range")],
    ["has a dead Location", withHeaders((headers) => ({ ...headers, location: "/v2/gone/blobs/uploads/1" }))],
  ])("whose status %s is completed", async (_name, action) => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, { dropAfterBytes: BROKEN_AT });
    scene.fail("GET", UPLOADS, action);
    await scene.pushWhole(SIZE);
  });

  test("whose status gets no answer restarts", async () => {
    await using scene = await PushScene.open({ statusMs: 100 });
    scene.fail("PATCH", UPLOADS, { dropAfterBytes: BROKEN_AT });
    void scene.server.faults.hold({ method: "GET", target: UPLOADS });
    const { blob } = await scene.pushWhole(SIZE);
    expect(blob.reads).toEqual([0, 0]);
    expect(scene.server.count("GET", UPLOADS)).toBe(1);
  });

  test("resumes at a registry that is down when it is asked for the status", async () => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, { dropAfterBytes: BROKEN_AT });
    scene.fail("GET", UPLOADS, { answer: { status: 503 } });
    const { blob } = await scene.pushWhole(SIZE);
    expect(blob.reads).toEqual([0, BROKEN_AT]);
  });

  test("resumes if no connection opens when the registry is asked for the status", async () => {
    const authority = new CertificateAuthority();
    await using scene = await PushScene.open({}, { tls: authority.issue("registry.example") });
    const proxy = await RawServer.start((socket) => {
      // The request for the status opens the second connection.
      if (proxy.connections === 2) return;
      socket.once("data", () => {
        const registry = connect(Number(scene.server.host.split(":")[1]), "127.0.0.1");
        registry.on("error", () => socket.destroy());
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(registry).pipe(socket);
        if (proxy.connections > 1) return;
        socket.on("data", () => socket.bytesRead > BROKEN_AT && socket.destroy());
        socket.on("close", () => registry.end());
      });
    });
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const SSL_CERT_FILE = `${tempTree({ "ca.pem": authority.pem })}/ca.pem`;
    const environment = { HTTPS_PROXY: proxy.host, SSL_CERT_FILE };
    const timeouts = { ...DEFAULT_TIMEOUTS, connectMs: 5000 };
    const registries = openRegistries(scene.logger, {}, { environment, timeouts, connections: 1 });
    const blob = TestBlob.complete(seededBytes(SIZE, 1));
    await registries.repository(parseReference("registry.example/app")).putBlob(blob, { priority: 0 });
    expect(proxy.connections).toBe(3);
    expect(blob.reads).toEqual([0, expect.toSatisfy((offset: number) => offset > 0)]);
  });

  test.each<[string, Reply]>([
    ["GHCR: none above 4 MiB", { status: 416 }],
    ["Google Artifact Registry: none at all", refusal(400, "UNSUPPORTED", "You must use monolithic uploads")],
    ["others", refusal(405, "UNSUPPORTED", "The operation is unsupported.")],
    ["others", { status: 501 }],
    ["others", refusal(400, "RANGE_INVALID", "invalid content range")],
  ])("restarts if the registry rejects the rest in chunks (%s)", async (_name, answer) => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, { dropAfterBytes: 2 * MIB });
    scene.server.faults.add({
      method: "PATCH",
      target: UPLOADS,
      when: ({ headers }) => headers["content-range"] !== undefined,
      action: { answer },
    });
    const { blob } = await scene.pushWhole(SIZE);
    expect(blob.reads).toEqual([0, 2 * MIB, 0]);
    // It accepts what every registry accepts.
    expect(scene.server.count("PATCH", UPLOADS)).toBe(4);
  });

  test("continues with the registry's minimum chunk size", async () => {
    await using scene = await PushScene.open();
    scene.fail(
      "POST",
      UPLOADS,
      withHeaders((headers) => ({ ...headers, "oci-chunk-min-length": String(8 * MIB) })),
    );
    scene.fail("PATCH", UPLOADS, { dropAfterBytes: MIB });
    const blob = new TestBlob(seededBytes(20 * MIB, 3));
    blob.growTo(5 * MIB);
    const put = scene.repository.putBlob(blob, { priority: 0 });
    while (scene.server.count("GET", UPLOADS) === 0) await new Promise((resolve) => setImmediate(resolve));
    // Enough for a chunk of the usual size.
    blob.growTo(8 * MIB);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    blob.growTo(11 * MIB);
    while (scene.server.count("PATCH", UPLOADS) < 2) await new Promise((resolve) => setImmediate(resolve));
    blob.complete();
    await put;
    const pieces = scene.server.requests.flatMap(({ headers }) => headers["content-range"] ?? []);
    for (const piece of pieces.slice(0, -1)) {
      const [from = 0, to = 0] = piece.split("-").map(Number);
      expect(to + 1 - from).toBeGreaterThanOrEqual(8 * MIB);
    }
    expect(scene.server.blobs.has(REPOSITORY, blob.digest)).toBe(true);
  });

  test.each(["PATCH", "PUT"])("restarts when a %s reports it gone", async (method) => {
    await using scene = await PushScene.open();
    scene.fail(method, UPLOADS, { answer: refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry") }, 3);
    await scene.pushWhole(SIZE);
    // Of the layer; the config has one more.
    expect(scene.server.count("POST", UPLOADS)).toBe(5);
  });

  test("restarts after a proxy's 400", async () => {
    await using scene = await PushScene.open();
    scene.fail("PATCH", UPLOADS, { answer: { status: 400, body: "<html>400 Bad Request</html>" } });
    await scene.pushWhole(SIZE);
  });
});

describe("mounts", () => {
  test.each<[string, FaultAction]>([
    ["401", { answer: refusal(401, "UNAUTHORIZED", "authentication required") }],
    ["403", { answer: refusal(403, "DENIED", "no access to team/other") }],
    ["404", { answer: refusal(404, "NAME_UNKNOWN", "repository name not known to registry") }],
    ["405", { answer: refusal(405, "UNSUPPORTED", "no mounts") }],
    ["500", { answer: { status: 500 } }],
    ["a reset", { dropAnswer: true }],
    ["an upload without a Location", changed({ status: 202, headers: {} })],
  ])("that end with %s become uploads", async (_name, action) => {
    await using scene = await PushScene.open();
    const layer = seededBytes(1000, 15);
    const from = scene.registries.repository(parseReference(`${scene.server.host}/team/other`));
    await from.putBlob(TestBlob.complete(layer), { priority: 0 });
    scene.fail("POST", /mount=/, action);
    const put = await scene.repository.putBlob(TestBlob.complete(layer), { priority: 0, mountFrom: from });
    expect(put).toEqual({ digest: digestOf(layer), size: 1000, outcome: "uploaded" });
    expect(scene.registries.counters.retries).toBe(0);
  });
});
