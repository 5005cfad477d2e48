import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { cloudCredentials } from "../../../../src/auth/clouds/cloud-credentials.ts";
import { recordUnhandledRejections, rejectionOf } from "../../../support/thrown-by.ts";

test("an aborted lookup rejects with the signal's reason and without an unhandled rejection", async () => {
  const unhandled = recordUnhandledRejections();
  const reason = new Error("stopped");
  const environment = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "client", AZURE_CLIENT_SECRET: "secret" };
  const asked = cloudCredentials("tandem.azurecr.io", environment, "/nowhere", AbortSignal.abort(reason));
  expect(await rejectionOf(asked)).toBe(reason);
  // The cloud's module is loaded on demand; its request fails after that.
  await import("../../../../src/auth/clouds/acr.ts");
  for (let i = 0; i < 20; i++) await turn();
  expect(unhandled).toEqual([]);
});
