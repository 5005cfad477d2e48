import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { SYSTEM_CLOCK } from "../../src/concurrency/clock.ts";
import { NOT_FOUND } from "../../src/http/faults.ts";
import { DEFAULT_TIMEOUTS, Http } from "../../src/http/http.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { CertificateAuthority } from "../support/network/certificate.ts";
import { ConnectProxy } from "../support/network/connect-proxy.ts";
import { RawServer } from "../support/network/raw-server.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { seededBytes } from "../support/random.ts";
import { type Reply, refusal } from "../support/registry/exchange.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { testImage, testIndex } from "../support/registry/test-image.ts";
import { OPTIONS, openRegistries } from "../support/registry/test-registries.ts";
import {
  ALWAYS,
  BLOBS,
  MANIFESTS,
  PushScene,
  REPOSITORY,
  SHORT_TIMEOUTS,
  UPLOADS,
} from "../support/scenes/push-scene.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };
describe("the budget bounds one stalled attempt", () => {
  test("no timeout is longer", () => {
    const { timeouts } = new Http({}, { timeouts: { ...DEFAULT_TIMEOUTS, budgetMs: 8000 } });
    expect(timeouts).toMatchObject({ connectMs: 8000, responseMs: 8000, commitMs: 8000, stallMs: 8000 });
    const withoutRetries = new Http({}, { timeouts: { ...DEFAULT_TIMEOUTS, budgetMs: 0 } });
    expect(withoutRetries.timeouts.commitMs).toBe(DEFAULT_TIMEOUTS.commitMs);
  });

  test("silence in the middle of a body uses up the budget", async () => {
    await using scene = await PushScene.open({ ...SHORT_TIMEOUTS, budgetMs: 250 });
    scene.fail("PATCH", UPLOADS, { silentAfterBytes: 1 << 19 }, ALWAYS);
    const failure = await rejectionOf(scene.push());
    expect(failure).toMatchObject({ hint: expect.stringMatching(/Tried \d+ times? in .*; -retry-budget says/) });
    // Each attempt is silent for 100 ms, and the waits between attempts take the rest.
    expect(scene.server.count("PATCH", UPLOADS)).toBeLessThanOrEqual(10);
  });
});

test.each(["http", "https", "socks5"])("a silent proxy (%s) uses up the budget", async (scheme) => {
  const proxy = await RawServer.start(() => undefined);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const environment = { HTTPS_PROXY: `${scheme}://${proxy.host}` };
  const timeouts = { ...DEFAULT_TIMEOUTS, connectMs: 100, budgetMs: 100 };
  const registries = openRegistries(new RecordingLogger(), {}, { environment, timeouts });
  const repository = registries.repository(parseReference("registry.example/app"));
  const failure = await rejectionOf(repository.putBytes(seededBytes(100, 1), OPTIONS));
  expect(failure).toMatchObject({
    hint: expect.stringContaining("Tried once; registry.example has never answered."),
  });
});

test.each<[string, (socket: Socket) => void, RegExp]>([
  ["never answers", () => undefined, /^Check that \S+ is healthy, .* MTU [^.]*\. Tried /],
  [
    "never answers a TLS handshake and does not speak HTTP",
    (socket) => socket.once("data", ([first]) => first !== 0x16 && socket.end("SSH-2.0\r\n")),
    /^Check that \S+ is healthy, .*Check that \S+ is a registry that speaks http; .*Tried /,
  ],
])("a registry that %s comes with advice", async (_, onConnection, hint) => {
  await using server = await RawServer.start(onConnection);
  const timeouts = { ...DEFAULT_TIMEOUTS, connectMs: 2000, responseMs: 100, budgetMs: 100 };
  const registries = openRegistries(new RecordingLogger(), {}, { timeouts });
  const repository = registries.repository(parseReference(`${server.host}/app`));
  expect(await rejectionOf(repository.putBytes(seededBytes(100, 1), OPTIONS))).toMatchObject({
    hint: expect.stringMatching(hint),
  });
});

describe("a registry that refuses connections", () => {
  async function closedPort(): Promise<string> {
    const server = await RawServer.start(() => undefined);
    const { host } = server;
    await server[Symbol.asyncDispose]();
    return host;
  }

  test("fails in seconds if it has never answered", async () => {
    const registries = openRegistries(new RecordingLogger());
    const host = await closedPort();
    const repository = registries.repository(parseReference(`${host}/app`));
    const failure = await rejectionOf(repository.putBytes(seededBytes(100, 1), OPTIONS));
    expect(failure).toMatchObject({
      message: expect.stringMatching(/connection refused/),
      hint: expect.stringMatching(/Tried \d+ times in [45](?:\.\d)?s; 127\.0\.0\.1:\d+ has never answered\./),
    });
  });

  test("fails in seconds if it ends TLS handshakes and answers over HTTP that it speaks TLS", async () => {
    const handshakeFailure = Buffer.of(0x15, 3, 3, 0, 2, 2, 40);
    const page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const server = await RawServer.start(
      (socket) => void socket.once("data", ([type]) => socket.end(type === 0x16 ? handshakeFailure : page)),
    );
    onTestFinished(() => server[Symbol.asyncDispose]());
    const registries = openRegistries(new RecordingLogger());
    const repository = registries.repository(parseReference(`${server.host}/app`));
    expect(await rejectionOf(repository.putBytes(seededBytes(100, 1), OPTIONS))).toMatchObject({
      message: expect.stringContaining("tls: handshake failure; GET http"),
      hint: expect.stringMatching(/^Enable TLS .* Tried \d+ times in \d(?:\.\d)?s; /),
    });
  });

  test("is retried if it has answered before", async () => {
    const registry = await FakeRegistry.start();
    const registries = openRegistries(new RecordingLogger());
    const repository = registries.repository(parseReference(`${registry.host}/app`));
    await repository.putBytes(seededBytes(100, 1), OPTIONS);
    await registry[Symbol.asyncDispose]();
    const failure = await rejectionOf(repository.putBytes(seededBytes(100, 2), OPTIONS));
    expect(failure).toMatchObject({ hint: expect.stringMatching(/Tried \d+ times in 5m0s; /) });
  });
});

describe("opening an image", () => {
  async function pushed(scene: PushScene) {
    await scene.pushWhole();
    return parseReference(`${scene.server.host}/${REPOSITORY}:v1`);
  }

  const PAGE = "<html>Down for maintenance</html>";
  test.each<[string, RegExp, Reply]>([
    ["404 without a body", MANIFESTS, { status: 404 }],
    ["page in place of the manifest", MANIFESTS, { status: 200, body: PAGE }],
    ["page in place of the config", BLOBS, { status: 200, body: PAGE }],
    ["redirect to nowhere", MANIFESTS, { status: 302, headers: { location: "login:now" } }],
    ["404 for /v2/ of a proxy", /^\/v2\/$/, { status: 404, body: PAGE }],
    ...[204, 304, 409, 410, 451].map((status): [string, RegExp, Reply] => [`${status}`, MANIFESTS, { status }]),
  ])("retries a %s, also if the image may be missing", async (_what, target, answer) => {
    await using scene = await PushScene.open();
    const reference = await pushed(scene);
    for (const method of ["openImage", "findImage"] as const) {
      scene.fail("GET", target, { answer }, 5);
      // Not the one that has pushed, which needs no further ping.
      const registries = openRegistries(scene.logger, {}, { clock: scene.clock });
      const image = await registries.repository(reference)[method](reference, PLATFORM, OPTIONS);
      expect(image?.manifest.layers).toHaveLength(1);
      expect(scene.logger.lines.pop()).toBe("info Successfully opened remote image after 5 retries");
    }
  });

  test("retries a 404 of a mirror that lags behind if the image must exist", async () => {
    await using scene = await PushScene.open();
    const reference = await pushed(scene);
    scene.fail("GET", MANIFESTS, { answer: refusal(404, "MANIFEST_UNKNOWN", "manifest unknown") }, 5);
    const image = await scene.repository.openImage(reference, PLATFORM, OPTIONS);
    expect(image.manifest.layers).toHaveLength(1);
    expect(scene.logger.lines.pop()).toBe("info Successfully opened remote image after 5 retries");
  });

  test("ends after six attempts if the image stays missing", async () => {
    await using scene = await PushScene.open();
    const reference = await pushed(scene);
    scene.fail("GET", MANIFESTS, { answer: refusal(404, "MANIFEST_UNKNOWN", "manifest unknown") }, ALWAYS);
    const failure = await rejectionOf(scene.repository.openImage(reference, PLATFORM, OPTIONS));
    expect(failure).toMatchObject({ code: NOT_FOUND });
    expect(scene.server.count("GET", MANIFESTS)).toBe(6);
  });

  test("blames the media type of an image of schema 1, not its digest, which leaves out its signatures", async () => {
    await using scene = await PushScene.open();
    const reference = parseReference(`${scene.repository.name}@${digestOf(Buffer.from("without signatures"))}`);
    const mediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    const answer = { status: 200, headers: { "content-type": mediaType }, body: '{"schemaVersion":1}' };
    scene.fail("GET", MANIFESTS, { answer }, ALWAYS);
    expect(await rejectionOf(scene.repository.openImage(reference, PLATFORM, OPTIONS))).toMatchObject({
      code: "EXPORT_IMAGE_MANIFEST",
      message: expect.stringContaining(`unsupported MediaType: "${mediaType}", see https://`),
    });
  });

  test.each(["manifest of an index", "config"])(
    "does not doubt the image's name if its %s is missing",
    async (part) => {
      await using scene = await PushScene.open();
      const { name } = scene.repository;
      const { config, manifest } = testImage([], PLATFORM.architecture);
      await scene.repository.putBytes(config, OPTIONS);
      await scene.repository.putTags([parseReference(`${name}@${manifest.digest}`)], manifest, OPTIONS);
      const index = testIndex([{ architecture: PLATFORM.architecture, bytes: manifest.bytes }]);
      const reference = parseReference(`${name}:index`);
      await scene.repository.putTags([reference], index, OPTIONS);
      const [digest, hint] =
        part === "config"
          ? [digestOf(config), "Restore the blob, or push the image that references it again."]
          : [manifest.digest, `Push the image again: its index lists ${manifest.digest}, which is gone from ${name}.`];
      scene.fail("GET", new RegExp(digest), { answer: refusal(404, "MANIFEST_UNKNOWN", "manifest unknown") }, ALWAYS);
      expect(await rejectionOf(scene.repository.openImage(reference, PLATFORM, OPTIONS))).toMatchObject({
        code: NOT_FOUND,
        hint,
        destination: reference.name,
      });
    },
  );

  test.each([
    ["400", { status: 400 }],
    ["405", { status: 405 }],
    ["407", { status: 407 }],
    ["401", refusal(401, "UNAUTHORIZED", "log in")],
    ["403", refusal(403, "DENIED", "no")],
    ["404 of the repository", refusal(404, "NAME_UNKNOWN", "no such repository")],
  ])("ends at once with a %s", async (_, answer) => {
    await using scene = await PushScene.open();
    const reference = await pushed(scene);
    scene.fail("GET", MANIFESTS, { answer }, ALWAYS);
    await rejectionOf(scene.repository.openImage(reference, PLATFORM, OPTIONS));
    await scene.repository.findImage(reference, PLATFORM, OPTIONS).catch(() => undefined);
    expect(scene.server.count("GET", MANIFESTS)).toBe(2);
  });

  test("ends at once with invalid credentials", async () => {
    await using server = await FakeRegistry.start();
    const logger = new RecordingLogger();
    const registries = openRegistries(logger, { [server.host]: "Digest dXNlcg==" });
    const reference = parseReference(`${server.host}/${REPOSITORY}`);
    const failure = await rejectionOf(registries.repository(reference).openImage(reference, PLATFORM, OPTIONS));
    expect(failure).toMatchObject({
      code: "EXPORT_AUTH_ENVIRONMENT",
      message: "parsing auth header: unknown auth type from header",
      hint: expect.stringContaining(server.host),
    });
    expect(logger.lines).toEqual([]);
  });

  test('accepts a definite "not found" at once if the image may be missing', async () => {
    await using scene = await PushScene.open();
    const reference = await pushed(scene);
    scene.fail("GET", MANIFESTS, { answer: refusal(404, "MANIFEST_UNKNOWN", "manifest unknown") });
    expect(await scene.repository.findImage(reference, PLATFORM, OPTIONS)).toBeUndefined();
    expect(scene.server.count("GET", MANIFESTS)).toBe(1);
  });
});

test.each([503, 502, 500, 429, 408])("retries a proxy that answers one CONNECT with %i", async (status) => {
  const authority = new CertificateAuthority();
  const registry = await FakeRegistry.start({ tls: authority.issue("registry.example") });
  const proxy = await ConnectProxy.start({ routes: { "registry.example:443": registry.host } });
  let isFirst = true;
  const front = await RawServer.start((socket) => {
    if (isFirst) {
      isFirst = false;
      socket.once("data", () => socket.end(`HTTP/1.1 ${status} Busy\r\n\r\n`));
      return;
    }
    const inner = connect(Number(proxy.host.split(":")[1]), "127.0.0.1");
    inner.on("error", () => socket.destroy());
    socket.pipe(inner).pipe(socket);
  });
  for (const server of [registry, proxy, front]) onTestFinished(() => server[Symbol.asyncDispose]());
  const SSL_CERT_FILE = `${tempTree({ "ca.pem": authority.pem })}/ca.pem`;
  const environment = { HTTPS_PROXY: front.host, SSL_CERT_FILE };
  const registries = openRegistries(new RecordingLogger(), {}, { environment });
  const repository = registries.repository(parseReference("registry.example/app"));
  expect(await repository.putBytes(seededBytes(100, 1), OPTIONS)).toMatchObject({ outcome: "uploaded" });
});

test.each([413, 401, 403])("%i before the end of the body is the error, despite a reset", async (status) => {
  const answer = JSON.stringify({ errors: [{ code: "DENIED", message: "enough of that" }] });
  const refuse = (socket: Socket) => {
    socket.write(`HTTP/1.1 ${status} No\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
    socket.resetAndDestroy();
  };
  const server = await RawServer.start((socket) => {
    let bodyBytes = -1;
    let head = "";
    socket.on("data", (data) => {
      if (bodyBytes >= 0) {
        bodyBytes += data.length;
        if (bodyBytes >= 64 << 10) refuse(socket);
        return;
      }
      head += data.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      const [method] = head.split(" ", 1);
      head = "";
      if (method === "PATCH") bodyBytes = 0;
      else if (method === "HEAD") socket.write("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
      else if (method === "POST")
        socket.write("HTTP/1.1 202 Yes\r\nLocation: /v2/app/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n");
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const logger = new RecordingLogger();
  const registries = openRegistries(
    logger,
    {},
    { clock: SYSTEM_CLOCK, timeouts: { ...DEFAULT_TIMEOUTS, firstWaitMs: 10 } },
  );
  const repository = registries.repository(parseReference(`${server.host}/app`));
  const bytes = seededBytes(1 << 20, 1);
  // Several at a time, as in an export; a reset may come at any moment of a write.
  const failures = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      rejectionOf(
        repository.putBlob(TestBlob.complete(Buffer.concat(Array(24).fill(bytes), 24 * bytes.length - i)), OPTIONS),
      ),
    ),
  );
  for (const failure of failures)
    expect(failure).toMatchObject({ status, message: expect.stringMatching(/enough of that/) });
});
