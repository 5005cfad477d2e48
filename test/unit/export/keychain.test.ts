import { expect, test } from "vitest";
import { readKeychain } from "../../../src/export/keychain.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

const NO_IMAGES = { outputImage: "", additionalTags: [], previousImage: "", buildImage: "", cacheImage: "" };
const IMAGE = "reg.example/app";

async function isKnown(images: Partial<Parameters<typeof readKeychain>[0]>, others: string[] = []): Promise<boolean> {
  const env = { DOCKER_CONFIG: tempTree({ "config.json": '{"auths":{"reg.example":{"auth":"dTpw"}}}' }) };
  const settings = { ...NO_IMAGES, daemon: false, ...images };
  const sources = { env, home: tempTree(), logger };
  const keychain = await readKeychain(settings, others, sources, new AbortController().signal);
  return !keychain.credentialsFor("reg.example").isAnonymous;
}

test.each([
  { outputImage: IMAGE },
  { additionalTags: [IMAGE] },
  { previousImage: IMAGE },
  { buildImage: IMAGE },
  { cacheImage: IMAGE },
])("credentials are read for the registry of %o, with a daemon only for the cache image", async (images) => {
  expect(await isKnown(images)).toBe(true);
  expect(await isKnown({ ...images, daemon: true })).toBe("cacheImage" in images);
});

test("an invalid image name does not affect the credentials of others", async () => {
  expect(await isKnown({ outputImage: IMAGE, additionalTags: ["/tmp/Upper/case"] })).toBe(true);
});

test("credentials are read for the registries of other images", async () => {
  expect(await isKnown({}, [IMAGE])).toBe(true);
  expect(await isKnown({})).toBe(false);
});
