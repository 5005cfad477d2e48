import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);

/**
 * Writes the SBOM of the release into dist/ (CycloneDX): all packages that the bundles and the runtime come from, as the lock
 * file has them, so that it needs neither the network nor an installation.
 */
export function writeSbom(): void {
  const args = [
    "sbom",
    "--sbom-format",
    "cyclonedx",
    "--sbom-type",
    "application",
    "--omit",
    "dev",
    "--package-lock-only",
  ];
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm sbom failed:\n${stderr}`);
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(join(root, "dist", "sbom.cdx.json"), stdout);
}

if (import.meta.main) writeSbom();
