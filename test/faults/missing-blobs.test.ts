import { expect, test } from "vitest";
import { digestOf } from "../../src/oci/digest.ts";
import { refusal } from "../support/registry/exchange.ts";
import { OPTIONS } from "../support/registry/test-registries.ts";
import { BLOBS, PushScene, UPLOADS } from "../support/scenes/push-scene.ts";

test.each([
  ["waits a moment", {}, 1000, "1s"],
  ["waits no longer than retries may take", { budgetMs: 300 }, 300, "300ms"],
  ["does not wait without retries", { budgetMs: 0 }, 0, "0ms"],
])("a manifest whose blobs were just uploaded %s", async (_name, timeouts, waitMs, shown) => {
  await using scene = await PushScene.open(timeouts);
  const { blob } = await scene.pushWhole(1000);
  scene.clock.waits.length = 0;
  await scene.repository.markMissing({ digests: [blob.digest], areNamed: true }, OPTIONS);
  expect(scene.clock.waits).toEqual([waitMs]);
  expect(scene.logger.lines).toEqual([
    `warn ${scene.repository.name} does not find blobs that it accepted or reported; pushing the manifest again in ${shown}: ${blob.digest}`,
  ]);
  const uploads = scene.server.count("POST", UPLOADS);
  await scene.repository.putBlob(blob, OPTIONS);
  expect(scene.server.count("POST", UPLOADS)).toBe(uploads);
});

test("blobs that a registry neither names nor answers about do not count as missing", async () => {
  await using scene = await PushScene.open({ budgetMs: 0 });
  scene.fail("HEAD", BLOBS, { answer: refusal(403, "DENIED", "no") });
  const reported = digestOf(Buffer.from("reported"));
  expect(await scene.repository.markMissing({ digests: [reported], areNamed: false }, OPTIONS)).toEqual([]);
});
