import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Registries } from "../../src/destinations/registry/registries.ts";
import type { RegistryRepository } from "../../src/destinations/registry/repository.ts";
import type { TagLookups } from "../../src/destinations/registry/tags.ts";
import { Fault, toFault } from "../../src/errors/fault.ts";
import { DEFAULT_TIMEOUTS, type Timeouts } from "../../src/http/http.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { SkippingClock } from "../support/clock.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { seededBytes } from "../support/random.ts";
import { refusal } from "../support/registry/exchange.ts";
import type { FaultAction } from "../support/registry/faults.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { testImage } from "../support/registry/test-image.ts";
import { OPTIONS, testRegistries } from "../support/registry/test-registries.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const UPLOADS = /\/blobs\/uploads\//;
const SIZE = 10 << 20;
const BROKEN_AT = 6_000_000;

let server: FakeRegistry;
let logger: RecordingLogger;
let registries: Registries;
let repository: RegistryRepository;
let clock: SkippingClock;

beforeEach(async () => {
  server = await FakeRegistry.start();
  logger = new RecordingLogger();
  open();
});

function open(timeouts: Partial<Timeouts> = {}): void {
  clock = new SkippingClock();
  registries = testRegistries(logger, {}, { clock, timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts } });
  repository = registries.repository(parseReference(`${server.host}/team/app`));
}

/** Replaces the registries by ones with shorter timeouts. */
async function reopen(timeouts: Partial<Timeouts>): Promise<void> {
  await registries.close();
  open(timeouts);
}

afterEach(async () => {
  expect(server.faults.unused).toBe(0);
  await registries.close();
  await server[Symbol.asyncDispose]();
});

function fault(method: string, action: FaultAction, target: RegExp = UPLOADS, times = 1): void {
  server.faults.add({ method, target, action, times });
}

async function expectUploaded(blob: TestBlob): Promise<void> {
  const seen: number[] = [];
  const put = await repository.putBlob(blob, { ...OPTIONS, onBytes: (bytes) => seen.push(bytes) });
  expect(put).toMatchObject({ digest: blob.digest, outcome: "uploaded" });
  expect(server.blobs.has("team/app", blob.digest)).toBe(true);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toBe(put.size);
}

describe("a connection that breaks in the middle of a PATCH", () => {
  test("resumes at the registry's offset", async () => {
    fault("PATCH", { dropAfterBytes: BROKEN_AT });
    const blob = TestBlob.complete(seededBytes(SIZE, 1));
    await expectUploaded(blob);
    expect(blob.reads).toEqual([0, BROKEN_AT]);
    const ranges = server.requests
      .filter(({ method }) => method === "PATCH")
      .map(({ headers }) => headers["content-range"]);
    expect(ranges).toEqual([undefined, `${BROKEN_AT}-${SIZE - 1}`]);
    expect(server.count("POST", UPLOADS)).toBe(1);
    // At most the bytes that the connection had accepted, but that did not arrive.
    expect(registries.counters.resentBytes).toBeLessThanOrEqual(SIZE - BROKEN_AT);
  });

  test("resumes in chunks while the blob still grows", async () => {
    fault("PATCH", { dropAfterBytes: BROKEN_AT });
    const bytes = seededBytes(30 << 20, 2);
    const blob = new TestBlob(bytes);
    blob.growTo(BROKEN_AT + (5 << 20));
    const done = expectUploaded(blob);
    while (blob.reads.length < 2) await new Promise((resolve) => setImmediate(resolve));
    blob.growTo(25 << 20);
    blob.complete();
    await done;
    expect(blob.reads.slice(0, 2)).toEqual([0, BROKEN_AT]);
    expect(server.count("POST", UPLOADS)).toBe(1);
  });

  test.each<[string, FaultAction]>([
    ["is refused", { answer: refusal(405, "UNSUPPORTED", "no status") }],
    [
      "claims more than was sent",
      { change: (reply) => ({ ...reply, headers: { ...reply.headers, range: "0-99999999" } }) },
    ],
    ["has no Range", { change: (reply) => ({ ...reply, headers: { location: reply.headers?.location ?? "" } }) }],
  ])("restarts from the spool if the status %s", async (_name, action) => {
    fault("PATCH", { dropAfterBytes: BROKEN_AT });
    fault("GET", action);
    const blob = TestBlob.complete(seededBytes(SIZE, 3));
    await expectUploaded(blob);
    expect(blob.reads).toEqual([0, 0]);
    expect(server.count("POST", UPLOADS)).toBe(2);
  });

  test("restarts if the resumed upload has the wrong digest", async () => {
    fault("PATCH", { dropAfterBytes: BROKEN_AT });
    // A registry that reports a lower offset than it has gets some bytes twice.
    fault("GET", { change: (reply) => ({ ...reply, headers: { ...reply.headers, range: "0-999999" } }) });
    const blob = TestBlob.complete(seededBytes(SIZE, 4));
    await expectUploaded(blob);
    expect(blob.reads).toEqual([0, 1_000_000, 0]);
    expect(server.count("POST", UPLOADS)).toBe(2);
  });

  test("keeps retrying while it makes progress", async () => {
    const blob = TestBlob.complete(seededBytes(SIZE, 5));
    // Each wait alone is nearly as long as the budget.
    await reopen({ budgetMs: 1000, firstWaitMs: 950, longestWaitMs: 950 });
    for (let n = 0; n < 10; n += 1) fault("PATCH", { dropAfterBytes: 800_000 });
    await expectUploaded(blob);
    expect(server.count("POST", UPLOADS)).toBe(1);
  });

  test("gives up without progress", async () => {
    fault("PATCH", { dropAfterBytes: 1 }, UPLOADS, Number.POSITIVE_INFINITY);
    const error = await rejectionOf(repository.putBlob(TestBlob.complete(seededBytes(1000, 6)), OPTIONS));
    expect(error).toMatchObject({ code: "EXPORT_REGISTRY_UNREACHABLE", destination: repository.name });
    const tries = server.count("PATCH", UPLOADS);
    expect(tries).toBeGreaterThan(20);
    expect((error as Fault).hint).toMatch(
      new RegExp(`^Check that \\S+ is healthy, .* Tried ${tries} times in 5m0s; -retry-budget .*no answer for blob`),
    );
  });
});

describe("an unhealthy registry", () => {
  test.each([
    ["POST", 429],
    ["POST", 500],
    ["PATCH", 502],
    ["PUT", 503],
    ["PUT", 500],
  ])("retries a %s answered with %i", async (method, status) => {
    fault(method, { answer: { status } }, UPLOADS, 2);
    await expectUploaded(TestBlob.complete(seededBytes(1 << 20, 7)));
    expect(registries.counters.retries).toBe(2);
    expect(logger.lines[0]).toMatch(
      new RegExp(`^warn ${method} http://.*: unexpected status code ${status} .*, retrying in [0-9.]+m?s$`),
    );
  });

  test.each([
    ["PATCH", 502, true],
    ["PATCH", 503, false],
    ["POST", 502, false],
  ])("the advice on a %s answered with %i mentions the limits of proxies: %s", async (method, status, mayBeLimit) => {
    await reopen({ budgetMs: 0 });
    fault(method, { answer: { status } });
    const { hint } = toFault(await rejectionOf(repository.putBlob(TestBlob.complete(seededBytes(1000, 9)), OPTIONS)));
    const advice = `If only large blobs fail, raise the limit for request bodies of the proxy in front of ${server.host}. Tried `;
    expect(hint?.startsWith(advice)).toBe(mayBeLimit);
  });

  test("obeys Retry-After, even beyond the policy's wait", async () => {
    fault("POST", { answer: { status: 429, headers: { "retry-after": "1" } } });
    await expectUploaded(TestBlob.complete(seededBytes(1000, 8)));
    expect(clock.waits).toContain(1000);
    expect(logger.lines[0]).toMatch(/retrying in 1s$/);
  });

  test("a Retry-After beyond the budget does not end an upload that the registry then accepts", async () => {
    fault("POST", { answer: { status: 429, headers: { "retry-after": "1732665600" } } }, UPLOADS, 2);
    await expectUploaded(TestBlob.complete(seededBytes(1000, 9)));
    expect(clock.waits).toEqual([1000, 3000]);
  });

  test("a Retry-After beyond the budget fails with the registry's message", async () => {
    const answer = { ...refusal(429, "TOOMANYREQUESTS", "pull rate limit"), headers: { "retry-after": "3600" } };
    fault("POST", { answer }, UPLOADS, 3);
    const error = await rejectionOf(repository.putBlob(TestBlob.complete(seededBytes(1000, 9)), OPTIONS));
    expect(String(error)).toContain("TOOMANYREQUESTS: pull rate limit");
  });

  test("recognizes a commit whose response was lost", async () => {
    fault("PUT", { dropAnswer: true });
    const blob = TestBlob.complete(seededBytes(SIZE, 10));
    await expectUploaded(blob);
    expect(blob.reads).toEqual([0]);
  });

  test("restarts an upload that the registry forgot", async () => {
    fault("PATCH", { answer: refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry") });
    await expectUploaded(TestBlob.complete(seededBytes(1 << 20, 11)));
    expect(server.count("POST", UPLOADS)).toBe(2);
  });

  test("reads a response that arrives before the body is sent", async () => {
    fault("PATCH", { answer: refusal(413, "SIZE_INVALID", "layers may have 5 MiB") });
    const error = await rejectionOf(repository.putBlob(TestBlob.complete(seededBytes(SIZE, 21)), OPTIONS));
    expect(String(error)).toContain("SIZE_INVALID: layers may have 5 MiB");
    expect(server.count("PATCH", UPLOADS)).toBe(1);
  });

  test("does not retry a denied request", async () => {
    fault("POST", { answer: refusal(403, "DENIED", "requested access to the resource is denied") });
    const error = await rejectionOf(repository.putBlob(TestBlob.complete(seededBytes(1000, 12)), OPTIONS));
    expect(error).toMatchObject({ code: "EXPORT_REGISTRY_DENIED" });
    expect(registries.counters.retries).toBe(0);
  });

  test("retries opening an image, with the reference's log lines", async () => {
    const { config, manifest } = testImage([]);
    const reference = parseReference(`${server.host}/team/app:run`);
    await repository.putBytes(config, OPTIONS);
    await repository.putTags([reference], manifest, OPTIONS);
    fault("GET", { answer: { status: 503 } }, /manifests/, 2);
    await repository.openImage(reference, { os: "linux", architecture: "amd64" }, OPTIONS);
    const url = `http://${server.host}/v2/team/app/manifests/run`;
    const reason = `connect to repo store "${reference}": GET ${url}: unexpected status code 503 Service Unavailable`;
    expect(logger.lines).toEqual([
      `warn Failed to open remote image (attempt 1/6): ${reason}, retrying in 100ms`,
      `warn Failed to open remote image (attempt 2/6): ${reason}, retrying in 200ms`,
      "info Successfully opened remote image after 2 retries",
    ]);
  });
});

test("an unreachable registry is reported in the reference's words", async () => {
  const gone = await FakeRegistry.start();
  const { host } = gone;
  await gone[Symbol.asyncDispose]();
  const reference = parseReference(`${host}/app`);
  const open = registries.repository(reference).openImage(reference, { os: "linux", architecture: "amd64" }, OPTIONS);
  const refused = (scheme: string) => `Get "${scheme}://${host}/v2/": dial tcp ${host}: connect: connection refused`;
  expect(await rejectionOf(open)).toMatchObject({
    code: "EXPORT_REGISTRY_UNREACHABLE",
    message: `connect to repo store "${host}/app": ${refused("https")}; ${refused("http")}`,
    destination: host,
  });
});

test("the app image's blobs overtake waiting blobs of the cache image", async () => {
  const own = testRegistries(logger, {}, { uploadConcurrency: 1 });
  const [app, cache] = ["app", "cache"].map((path) => own.repository(parseReference(`${server.host}/${path}`)));
  const first = new TestBlob(seededBytes(5 << 20, 22));
  first.growTo(4 << 20);
  const puts = [cache?.putBlob(first, { priority: 1 })];
  while (first.reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
  // Both have checked for their blob and wait for the only slot.
  const waiting = [23, 24].map((seed) => TestBlob.complete(seededBytes(1000, seed)));
  puts.push(cache?.putBlob(waiting[0]!, { priority: 1 }));
  while (server.count("HEAD", /^\/v2\/cache/) < 1) await new Promise((resolve) => setImmediate(resolve));
  puts.push(app?.putBlob(waiting[1]!, { priority: 0 }));
  while (server.count("HEAD", /^\/v2\/app/) < 1) await new Promise((resolve) => setImmediate(resolve));
  first.complete();
  await Promise.all(puts);
  const posts = server.requests.filter(({ method }) => method === "POST").map(({ target }) => target.split("/")[2]);
  expect(posts).toEqual(["cache", "app", "cache"]);
  await own.close();
});

describe("tags", () => {
  test("a failing tag does not stop the others", async () => {
    const { config, manifest } = testImage([]);
    await repository.putBytes(config, OPTIONS);
    fault("PUT", { answer: refusal(400, "TAG_INVALID", "no") }, /manifests\/bad/);
    const names = ["good", "bad", "fine"].map((tag) => parseReference(`${server.host}/team/app:${tag}`));
    const results = await repository.putTags(names, manifest, OPTIONS);
    expect(results.map(({ outcome }) => outcome)).toEqual(["pushed", "failed", "pushed"]);
    expect(String(results[1]?.error)).toContain("TAG_INVALID: no");
  });

  test("a push whose response is lost is not repeated, because an immutable tag would reject it", async () => {
    const { config, manifest } = testImage([]);
    await repository.putBytes(config, OPTIONS);
    fault("PUT", { dropAnswer: true }, /manifests/);
    const reference = parseReference(`${server.host}/team/app:name`);
    const lookups = repository.lookUpTags([reference], OPTIONS);
    expect(await repository.putTags([reference], manifest, OPTIONS, lookups)).toMatchObject([{ outcome: "pushed" }]);
    expect(server.count("PUT", /manifests/)).toBe(1);
  });

  test("a tag looked up early is not looked up again, unless it seems to need no push", async () => {
    const [old, image] = [testImage([]), testImage([], "arm64")];
    for (const { config } of [old, image]) await repository.putBytes(config, OPTIONS);
    const reference = parseReference(`${server.host}/team/app:name`);
    const heads = () => server.count("HEAD", /manifests\/name/);
    const push = async ({ manifest }: typeof image, lookups: TagLookups) => {
      const [result] = await repository.putTags([reference], manifest, OPTIONS, lookups);
      return result?.outcome;
    };
    expect(await push(old, repository.lookUpTags([reference], OPTIONS))).toBe("pushed");
    expect(heads()).toBe(1);
    const lookups = repository.lookUpTags([reference], OPTIONS);
    await lookups.get(reference);
    expect(await push(image, new Map())).toBe("pushed");
    // The tag has moved since the lookup.
    expect(await push(old, lookups)).toBe("pushed");
    expect(await push(old, repository.lookUpTags([reference], OPTIONS))).toBe("pushed");
    expect(heads()).toBe(6);
    fault("HEAD", { answer: { status: 500 } }, /manifests/);
    expect(await push(old, repository.lookUpTags([reference], OPTIONS))).toBe("pushed");
    expect(server.count("PUT", /manifests\/name/)).toBe(3);
    expect(registries.counters.retries).toBe(0);
  });
});

describe("unusual responses", () => {
  test("uses the upload that a registry opens instead of mounting", async () => {
    const blob = TestBlob.complete(seededBytes(1000, 16));
    const from = registries.repository(parseReference(`${server.host}/team/other`));
    expect((await repository.putBlob(blob, { ...OPTIONS, mountFrom: from })).outcome).toBe("uploaded");
    expect(server.count("POST", UPLOADS)).toBe(1);
    expect(server.blobs.pending).toBe(0);
  });

  test("follows a redirected blob GET without credentials", async () => {
    await using storage = await FakeRegistry.start();
    const header = `Basic ${Buffer.from("u:p").toString("base64")}`;
    const { config, manifest } = testImage([]);
    const reference = parseReference(`${server.host}/team/app:run`);
    await repository.putBytes(config, OPTIONS);
    await repository.putTags([reference], manifest, OPTIONS);
    await registries.repository(parseReference(`${storage.host}/team/app`)).putBytes(config, OPTIONS);
    const own = testRegistries(logger, { [server.host]: header });
    fault(
      "GET",
      {
        change: (_reply, { url }) => ({
          status: 307,
          headers: { location: `http://${storage.host}${url.pathname}?sig=secret` },
        }),
      },
      /blobs\/sha256/,
    );
    await own.repository(reference).openImage(reference, { os: "linux", architecture: "amd64" }, OPTIONS);
    expect(server.requests.some(({ headers }) => headers.authorization === header)).toBe(true);
    expect(storage.requests.at(-1)?.target).toContain("sig=secret");
    expect(storage.requests.at(-1)?.headers.authorization).toBeUndefined();
    await own.close();
  });
});

describe("tokens", () => {
  test("a token that expires during an upload is renewed, and the bytes are read again", async () => {
    await using guarded = await FakeRegistry.start({ auth: { kind: "bearer", username: "u", password: "p" } });
    const own = testRegistries(logger, { [guarded.host]: `Basic ${Buffer.from("u:p").toString("base64")}` });
    guarded.faults.add({
      method: "POST",
      target: UPLOADS,
      action: {
        change: (reply) => {
          guarded.auth?.expireTokens();
          return reply;
        },
      },
    });
    const blob = TestBlob.complete(seededBytes(1000, 17));
    const target = own.repository(parseReference(`${guarded.host}/team/app`));
    expect(await target.putBlob(blob, OPTIONS)).toMatchObject({ outcome: "uploaded" });
    expect(guarded.auth?.issued).toHaveLength(2);
    expect(own.counters.retries).toBe(0);
    await own.close();
  });
});

describe("cancellation", () => {
  test("a failing producer ends the upload with its own fault", async () => {
    const blob = new TestBlob(seededBytes(SIZE, 18));
    blob.growTo(5 << 20);
    const put = rejectionOf(repository.putBlob(blob, OPTIONS));
    while (blob.reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const reason = new Fault("EXPORT_LAYER_CHANGED", "file changed while it was read");
    blob.fail(reason);
    expect(await put).toBe(reason);
  });

  test("one aborted caller does not affect the other", async () => {
    const blob = new TestBlob(seededBytes(SIZE, 19));
    blob.growTo(5 << 20);
    const controller = new AbortController();
    const leaving = rejectionOf(repository.putBlob(blob, { ...OPTIONS, signal: controller.signal }));
    const staying = repository.putBlob(blob, OPTIONS);
    while (blob.reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(new Error("app failed"));
    expect(await leaving).toMatchObject({ message: "app failed" });
    blob.complete();
    expect(await staying).toMatchObject({ outcome: "uploaded" });
    expect(blob.reads).toEqual([0]);
  });

  test("the upload ends when the last caller aborts", async () => {
    const blob = new TestBlob(seededBytes(SIZE, 20));
    blob.growTo(5 << 20);
    const controller = new AbortController();
    const leaving = rejectionOf(repository.putBlob(blob, { ...OPTIONS, signal: controller.signal }));
    while (blob.reads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(new Error("stopped"));
    expect(await leaving).toMatchObject({ message: "stopped" });
    blob.complete();
    expect(server.blobs.has("team/app", blob.digest)).toBe(false);
  });
});
