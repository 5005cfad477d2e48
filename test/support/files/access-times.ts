import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** False where TMPDIR is on a file system that is mounted with `noatime`. */
export const KEEPS_ACCESS_TIMES = keepsAccessTimes();
if (!KEEPS_ACCESS_TIMES) console.warn("Some tests of early export are skipped: TMPDIR keeps no access times");

function keepsAccessTimes(): boolean {
  const root = mkdtempSync(join(tmpdir(), "tandem-test-"));
  const file = join(root, "file");
  try {
    writeFileSync(file, "contents");
    utimesSync(file, 1, 1);
    readFileSync(file);
    return statSync(file).atimeMs > 1000;
  } finally {
    rmSync(root, { recursive: true });
  }
}
