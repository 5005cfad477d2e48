import { writeFileSync } from "node:fs";
import { z } from "zod";
import { packageDirectories } from "./bundle.ts";
import { runTool } from "./run-tool.ts";
import { ROOT } from "./script.ts";

const component = z.looseObject({ "bom-ref": z.string(), name: z.string() });
const dependency = z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) });
const bomSchema = z.looseObject({ components: z.array(component), dependencies: z.array(dependency) });

/**
 * Writes the SBOM of the release (CycloneDX): the packages in the bundles and the runtime, from the lock file. Needs
 * neither a network nor an installation.
 * @param files paths of all sources in the bundles
 */
export function writeSbom(files: readonly string[], file: string): void {
  const packages = new Set(packageDirectories(files).map((path) => path.replace(/.*[\\/]node_modules[\\/]/, "")));
  const args = ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application", "--package-lock-only"];
  const bom = bomSchema.parse(JSON.parse(runTool("npm", args, { cwd: ROOT })));
  const components = bom.components.filter(({ name }) => packages.has(name) || name.startsWith("node-linux-"));
  const refs = new Set(components.map((each) => each["bom-ref"]));
  const dependencies = bom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map((each) => ({ ...each, dependsOn: each.dependsOn.filter((ref) => refs.has(ref)) }));
  writeFileSync(file, `${JSON.stringify({ ...bom, components, dependencies }, undefined, 2)}\n`);
}
