import { describe, expect, test } from "vitest";
import { type Reply, refusal } from "../support/registry/exchange.ts";
import type { FaultAction } from "../support/registry/faults.ts";
import { BLOBS, MANIFESTS, PushScene, SHORT_TIMEOUTS, UPLOADS } from "../support/scenes/push-scene.ts";

const MIB = 1 << 20;

const REQUESTS = [
  ["GET", /\/v2\/$/],
  ["HEAD", BLOBS],
  ["POST", UPLOADS],
  ["PATCH", UPLOADS],
  ["PUT", UPLOADS],
  ["HEAD", MANIFESTS],
  ["PUT", MANIFESTS],
] as const;

const WITH_BODY = [
  ["PATCH", UPLOADS],
  ["PUT", MANIFESTS],
] as const;

const changed = (change: Partial<Reply>): FaultAction => ({ change: (reply) => ({ ...reply, ...change }) });
const SICK = (): Readonly<Record<string, Reply>> => ({
  "429 with seconds": { status: 429, headers: { "retry-after": "7" } },
  "429 with a date": { status: 429, headers: { "retry-after": new Date(Date.now() + 60_000).toUTCString() } },
  "429 that says nothing": { ...refusal(429, "TOOMANYREQUESTS", "too many requests") },
  "403 of a rate limit": {
    status: 403,
    headers: { "retry-after": "7" },
    body: "You have exceeded a secondary rate limit",
  },
  "503 with seconds": { status: 503, headers: { "retry-after": "7" } },
  "500 without a body": { status: 500 },
  "500 with a body": refusal(500, "UNKNOWN", "unknown error"),
  "502 of a proxy": { status: 502, body: "<html><h1>Bad Gateway</h1></html>" },
  "504 of a proxy": { status: 504, body: "<html>" },
  "408": { status: 408 },
  "499 of nginx": { status: 499 },
  "522 of a CDN": { status: 522 },
});

describe.each(REQUESTS)("%s %s", (method, target) => {
  test.each(Object.keys(SICK()))("recovers from two responses with %s", async (name) => {
    // A HEAD response of 403 means that the manifest is missing (docs/compatibility.md#pushing-images).
    if (name.startsWith("403") && method === "HEAD" && target === MANIFESTS) return;
    await using scene = await PushScene.open();
    const answer = SICK()[name] as Reply;
    scene.fail(method, target, { answer }, 2);
    await scene.pushWhole();
    if (answer.headers?.["retry-after"] === "7")
      expect(scene.clock.waits.filter((ms) => ms >= 7000).length).toBeGreaterThanOrEqual(2);
    if (name.includes("date")) expect(Math.max(...scene.clock.waits)).toBeGreaterThan(50_000);
  });

  test("recovers from a connection cut before the response", async () => {
    await using scene = await PushScene.open();
    scene.fail(method, target, { dropAnswer: true });
    await scene.pushWhole();
  });

  test.each([
    [1, "reset"],
    [17, "reset"],
    [60, "reset"],
    [0, "silence"],
    [40, "silence"],
  ] as const)("recovers from a response that ends after %i bytes with %s", async (afterBytes, then) => {
    await using scene = await PushScene.open(SHORT_TIMEOUTS);
    scene.fail(method, target, changed({ interruption: { afterBytes, then } }));
    await scene.pushWhole();
  });

  test("accepts a response sent byte by byte", async () => {
    await using scene = await PushScene.open();
    scene.fail(method, target, changed({ bytesAtATime: 1 }), method === "GET" ? 1 : 3);
    await scene.push();
    await scene.push(1000, 2);
    await scene.pushWhole(1000, 3);
  });
});

describe.each(WITH_BODY)("%s %s", (method, target) => {
  test.each([0, 1, 100, 65_536, MIB])("recovers from a cut after %i bytes of its body", async (dropAfterBytes) => {
    await using scene = await PushScene.open();
    scene.fail(method, target, { dropAfterBytes });
    await scene.pushWhole();
  });

  test.each([0, 100, MIB])("recovers from silence after %i bytes of its body", async (silentAfterBytes) => {
    await using scene = await PushScene.open(SHORT_TIMEOUTS);
    scene.fail(method, target, { silentAfterBytes });
    await scene.pushWhole();
  });
});

test("an upload to a registry that stops reading is retried", async () => {
  // Far more than kernels buffer without a reader; only the stall timeout can end this.
  await using scene = await PushScene.open({ responseMs: 1000, stallMs: 1000, commitMs: 600_000 });
  scene.fail("PATCH", UPLOADS, { silentAfterBytes: 5 * MIB });
  const { blob } = await scene.pushWhole(40 * MIB);
  expect(scene.logger.lines).toContainEqual(
    expect.stringMatching(/^warn upload to \S+team\/app stopped moving for 1s, retrying/),
  );
  expect(blob.reads.length).toBeGreaterThan(1);
});

// https://github.com/moby/moby/issues/53700
test("a commit may take far longer than other requests", async () => {
  await using scene = await PushScene.open({ responseMs: 100, stallMs: 100 });
  const slow = async (proceed: () => Promise<Reply>): Promise<Reply> => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    return proceed();
  };
  scene.fail("PUT", UPLOADS, { around: slow });
  await scene.pushWhole();
  // The layer's and the config's.
  expect(scene.server.count("PUT", UPLOADS)).toBe(2);
});
