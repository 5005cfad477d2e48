import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ROOT } from "../scripts/script.ts";

const lockSchema = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().default(""),
      resolved: z.string().default(""),
      integrity: z.string().default(""),
      hasInstallScript: z.boolean().default(false),
      link: z.boolean().default(false),
    }),
  ),
});
const ownSchema = z.object({
  dependencies: z.record(z.string(), z.string()).default({}),
  devDependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});

function read(name: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, name), "utf8"));
}

const lock = lockSchema.parse(read("package-lock.json"));
/** The project's own workspace, in the lock file by its folder and by a link to it. */
const OWN: ReadonlySet<string> = new Set(["", "tools/runtime", "node_modules/tandem-runtime"]);
const packages = Object.entries(lock.packages).filter(([path]) => !OWN.has(path));

/** Of packages that run a program when they are installed; each needs a reason. None is part of the release. */
const MAY_RUN_AT_INSTALL: ReadonlySet<string> = new Set(["node_modules/fsevents"]);

describe("package-lock.json", () => {
  /** Without one, npm asks the registry for the package by its name. */
  const elsewhere = (resolved: string) => resolved !== "" && !resolved.startsWith("https://registry.npmjs.org/");

  test("every package comes from the npm registry, and is what it was: a SHA-512 of its archive", () => {
    const others = packages.filter(
      ([, { resolved, integrity, link }]) =>
        link || elsewhere(resolved) || !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity),
    );
    expect(others.map(([path]) => path)).toEqual([]);
    expect(packages.length).toBeGreaterThan(30);
  });

  test("no package runs a program when it is installed", () => {
    const running = packages.filter(
      ([path, { hasInstallScript }]) => hasInstallScript && !MAY_RUN_AT_INSTALL.has(path),
    );
    expect(running.map(([path]) => path)).toEqual([]);
  });

  test("a package is always the one of its path, under no other name", () => {
    for (const [path, { resolved }] of packages) {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      if (resolved !== "") expect(resolved).toMatch(`https://registry.npmjs.org/${name}/-/`);
    }
  });
});

test("every dependency has an exact version, the lock file's", () => {
  const { dependencies, devDependencies } = ownSchema.parse(read("package.json"));
  const { optionalDependencies } = ownSchema.parse(read("tools/runtime/package.json"));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    expect({ name, version }).toEqual({ name, version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
    expect(lock.packages[`node_modules/${name}`]?.version).toBe(version);
  }
});
