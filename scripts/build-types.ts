import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { runTool } from "./run-tool.ts";
import { makeTemporaryDirectory, ROOT } from "./script.ts";

/** `from "./x.ts"` and `import("./x.ts")`, as in TypeScript's declarations. */
const RELATIVE_IMPORT = /(\bfrom |\bimport\()"(\.[^"]+)\.ts"/g;

/**
 * Writes the type declarations of the library's entry and of every file that it refers to.
 * @param entry path below src/
 * @param directory emptied first
 */
export function buildTypes(entry: string, directory: string): void {
  const temporary = makeTemporaryDirectory(join(tmpdir(), "tandem-types-"));
  try {
    const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const config = join(temporary, "tsconfig.json");
    const compilerOptions = {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      // `npm test` checks them.
      noCheck: true,
      rootDir: ROOT,
      outDir: temporary,
      typeRoots: [join(ROOT, "node_modules", "@types")],
    };
    const ambient = globSync("{src,workers}/**/*.d.ts", { cwd: ROOT }).map((name) => join(ROOT, name));
    const files = [join(ROOT, "src", entry), ...ambient];
    const text = { extends: join(ROOT, "tsconfig.json"), compilerOptions, files, include: [], exclude: [] };
    writeFileSync(config, JSON.stringify(text));
    runTool(process.execPath, [compiler, "--project", config]);
    rmSync(directory, { recursive: true, force: true });
    copyDeclarations(join(temporary, "src"), entry.replace(/\.ts$/, ""), directory);
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** Replaces `.ts` in imports, which is valid only for compilers of sources. */
function copyDeclarations(from: string, name: string, to: string, done = new Set<string>()): void {
  if (done.has(name)) return;
  done.add(name);
  const text = readFileSync(join(from, `${name}.d.ts`), "utf8");
  const target = join(to, `${name}.d.ts`);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text.replace(RELATIVE_IMPORT, '$1"$2.js"'));
  for (const [, , path = ""] of text.matchAll(RELATIVE_IMPORT))
    copyDeclarations(from, relative(from, join(from, dirname(name), path)), to, done);
}
