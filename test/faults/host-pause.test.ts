import { expect, test } from "vitest";
import { parseReference } from "../../src/oci/reference.ts";
import { ManualClock } from "../support/clock.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { seededBytes } from "../support/random.ts";
import type { Reply } from "../support/registry/exchange.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { OPTIONS, testRegistries } from "../support/registry/test-registries.ts";
import { UPLOADS } from "../support/scenes/push-scene.ts";

test.each([
  ["429", { status: 429, headers: { "retry-after": "20" } }],
  ["503", { status: 503, headers: { "retry-after": "20" } }],
] as const)("a %s for one request pauses all requests to the host", async (_name, busy) => {
  await using server = await FakeRegistry.start();
  await using other = await FakeRegistry.start();
  const clock = new ManualClock();
  const registries = testRegistries(new RecordingLogger(), {}, { clock });
  const [app, cache, elsewhere] = [`${server.host}/app`, `${server.host}/cache`, `${other.host}/app`].map((name) =>
    registries.repository(parseReference(name)),
  );
  const put = (repository: typeof app, seed: number) =>
    repository?.putBlob(TestBlob.complete(seededBytes(1000, seed)), OPTIONS);
  await put(app, 1);
  await put(cache, 2);
  server.faults.add({ method: "POST", target: UPLOADS, action: { answer: busy satisfies Reply } });
  const refused = put(app, 3);
  // The wait before the next attempt, which only the refused request has started.
  while (clock.pending.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const before = server.requests.length;
  const held = [put(app, 4), put(app, 5), put(cache, 6), put(cache, 7)];
  await put(elsewhere, 8);
  await clock.advance(19_999);
  // A whole upload to another host succeeds meanwhile.
  await put(elsewhere, 9);
  expect(server.requests.length).toBe(before);
  const all = Promise.all([refused, ...held]);
  let isDone = false;
  void all.then(() => {
    isDone = true;
  });
  while (!isDone) {
    await clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(server.requests.length).toBeGreaterThan(before);
  expect(registries.counters.retries).toBe(1);
  await registries.close();
});
