import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { buildEncoders } from "./build-encoder.ts";
import { ROOT } from "./script.ts";

const dist = join(ROOT, "dist");

/**
 * Builds what the command needs besides its code. Safe for concurrent builds: each product is renamed once complete.
 */
export async function buildParts(): Promise<void> {
  makeDirectory();
  // Imported only now, because an installation without development dependencies cannot load it.
  const { buildTimelinePage } = await import("./build-timeline-page.ts");
  await Promise.all([buildEncoders(), buildTimelinePage(join(dist, "timeline.html"))]);
}

/** Not recursive: on a read-only file system that would fail with ENOENT (Node.js 26.10). */
function makeDirectory(): void {
  try {
    mkdirSync(dist);
  } catch (error) {
    if (!existsSync(dist)) throw error;
  }
}

/** For bin/exporter in a checkout without a build: reports a failure in one line. */
async function main(): Promise<void> {
  try {
    makeDirectory();
    accessSync(dist, constants.W_OK);
    console.error("tandem is not built: building what its sources need, once ...");
    await buildParts();
  } catch (error) {
    const reason = String(error instanceof Error ? error.message : error).replaceAll(/\s+/g, " ");
    console.error(`ERROR: tandem is not built (${reason}): run npm run build in ${ROOT}`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main();
