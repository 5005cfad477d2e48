import { expect, test } from "vitest";
import { PushScene, UPLOADS } from "../support/scenes/push-scene.ts";

const WORK = { priority: 0 };

test.each([
  ["waits a moment", {}, 1000, "1s"],
  ["waits no longer than retries may take", { budgetMs: 300 }, 300, "300ms"],
  ["does not wait without retries", { budgetMs: 0 }, 0, "0ms"],
])("a manifest whose blobs were just uploaded %s", async (_name, timeouts, waitMs, shown) => {
  await using scene = await PushScene.open(timeouts);
  const { blob } = await scene.pushWhole(1000);
  scene.clock.waits.length = 0;
  await scene.repository.markMissing({ digests: [blob.digest], areNamed: true }, WORK);
  expect(scene.clock.waits).toEqual([waitMs]);
  expect(scene.logger.lines).toEqual([
    `warn ${scene.repository.name} does not find blobs that it accepted or reported; pushing the manifest again in ${shown}: ${blob.digest}`,
  ]);
  const uploads = scene.server.count("POST", UPLOADS);
  await scene.repository.putBlob(blob, WORK);
  expect(scene.server.count("POST", UPLOADS)).toBe(uploads);
});
