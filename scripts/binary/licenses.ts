import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { packageDirectories } from "../bundle.ts";
import { ROOT } from "../script.ts";

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string().default("see its source"),
});

/**
 * The licenses of everything in the single executable's directory, as one text.
 * @param sources paths of all sources in the bundles
 * @param runtime license of Node.js and its dependencies
 * @param libraries licenses of the C library and GCC's
 */
export function collectLicenses(sources: readonly string[], runtime: Buffer, libraries: string): string {
  const parts = [
    ["tandem and its launcher", readFileSync(join(ROOT, "LICENSE"), "utf8")],
    ["Node.js", runtime.toString("utf8")],
    ["C library, dynamic loader and GCC's libraries", libraries],
    ...[...packagesOf(sources)].map(([text, names]) => [names.join(", "), text]),
  ];
  return parts.map(([title = "", text = ""]) => `${"=".repeat(80)}\n${title}\n\n${text.trim()}\n`).join("\n");
}

function packagesOf(sources: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const directory of packageDirectories(sources)) {
    const { name, version, license } = packageSchema.parse(
      JSON.parse(readFileSync(join(directory, "package.json"), "utf8")),
    );
    const file = readdirSync(directory).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    const text = file === undefined ? `License: ${license}` : readFileSync(join(directory, file), "utf8").trim();
    names.set(text, [...(names.get(text) ?? []), `${name} ${version}`]);
  }
  return names;
}
