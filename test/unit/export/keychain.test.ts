import { expect, test } from "vitest";
import { readKeychain } from "../../../src/export/keychain.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

async function isKnown(daemon: boolean): Promise<boolean> {
  const env = { DOCKER_CONFIG: tempTree({ "config.json": '{"auths":{"reg.example":{"auth":"dTpw"}}}' }) };
  const names = {
    outputImage: "reg.example/app",
    additionalTags: ["/tmp/Upper/case"],
    previousImage: "",
    buildImage: "",
  };
  const settings = { ...names, cacheImage: "", daemon };
  const sources = { env, home: tempTree(), logger };
  const keychain = await readKeychain(settings, [], sources, new AbortController().signal);
  return !keychain.credentialsFor("reg.example").isAnonymous;
}

test("an invalid image reference does not affect the credentials of others", async () => {
  expect(await isKnown(false)).toBe(true);
});

test("with a daemon no credentials are read for the app image", async () => {
  expect(await isKnown(true)).toBe(false);
});
