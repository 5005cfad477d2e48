import { build } from "../../scripts/build.ts";

/** Before the first test: what `bin/exporter` starts is built from the sources as they are now. */
export async function setup(): Promise<void> {
  await build();
}
