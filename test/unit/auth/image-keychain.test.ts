import { expect, test } from "vitest";
import { keychainFor } from "../../../src/auth/keychain.ts";
import { tempTree } from "../../support/temp-tree.ts";

test("an invalid image reference does not affect the credentials of others", async () => {
  const env = { DOCKER_CONFIG: tempTree({ "config.json": '{"auths":{"reg.example":{"auth":"dTpw"}}}' }) };
  const images = ["", "/tmp/Upper/case", "reg.example/app"];
  const keychain = await keychainFor(images, env, tempTree(), () => undefined, new AbortController().signal);
  expect(keychain.credentialsFor("reg.example").isAnonymous).toBe(false);
});
