import { chmodSync } from "node:fs";
import { FakeRegistry } from "../../fakes/registry/registry.ts";

/** A registry that can store what is pushed while its process is another user. */
export async function startOpenRegistry(): Promise<FakeRegistry> {
  const registry = await FakeRegistry.start();
  chmodSync(registry.storage, 0o777);
  return registry;
}
