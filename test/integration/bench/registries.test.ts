import { expect, test } from "vitest";
import { digestOf } from "../../../src/oci/digest.ts";
import { parseLink } from "../../bench/network/links.ts";
import { readPushedImage, startRegistryPair } from "../../bench/network/registries.ts";
import { pushRunImage, putBlob } from "../../support/images/run-image.ts";
import { seededRandom } from "../../support/random.ts";

test("a sink returns manifests and configs, and counts but drops large blobs", async () => {
  await using registries = await startRegistryPair(parseLink("free"), "sink");
  const { direct, access } = registries;
  const repository = `${direct[0]}/run`;
  const reference = await pushRunImage(repository, access);
  const image = await readPushedImage(repository, access);
  expect(reference).toBe(`${repository}@${image.digest}`);
  expect(image.diffIds).toHaveLength(1);

  const before = await registries.takenBytes();
  const blob = seededRandom(3).bytes(300_000);
  const base = access.repositoryUrl(`${direct[1]}/cache`);
  await putBlob(access, base, Buffer.from(blob));
  expect((await registries.takenBytes()) - before).toBe(300_000);
  const url = `${base}/blobs/${digestOf(blob)}`;
  expect((await access.send(url, { method: "HEAD" })).headers.get("content-length")).toBe("300000");
  await expect(access.send(url)).rejects.toThrow("410");
});
