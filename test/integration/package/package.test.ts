import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { filesBelow } from "../../support/files/file-tree.ts";
import { sharedDirectory } from "../../support/files/temp-tree.ts";

const temporary = sharedDirectory();
const project = join(temporary, "project");
const installed = join(project, "node_modules", "tandem");
const files: string[] = [];
/** npm is the machine's; its scripts find the project's runtime first. */
const env = { ...process.env, CNB_PLATFORM_API: "0.13" };

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: project, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs `npm pack` in a copy of the checkout, because it builds, and other tests use this checkout's build. */
function pack(): string {
  const checkout = join(temporary, "checkout");
  // A container's user may not be the checkout's owner.
  const git = ["-c", "safe.directory=*", "ls-files"];
  const names = execFileSync("git", [...git, "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const name of names.split("\0").filter((path) => path !== "" && !path.startsWith("fixtures/"))) {
    mkdirSync(dirname(join(checkout, name)), { recursive: true });
    cpSync(join(ROOT, name), join(checkout, name));
  }
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
  // Compiling the encoder takes most of a build's time. The build reuses these if their sources are unchanged.
  mkdirSync(join(checkout, "dist"));
  for (const name of ["encoder.wasm", "encoder-scalar.wasm", "encoder.source"])
    cpSync(join(ROOT, "dist", name), join(checkout, "dist", name));
  const args = ["pack", "--silent", "--pack-destination", temporary];
  execFileSync("npm", args, { cwd: checkout, stdio: ["ignore", "ignore", "inherit"] });
  return join(temporary, readdirSync(temporary).find((name) => name.endsWith(".tgz")) ?? "no archive");
}

beforeAll(() => {
  const archive = pack();
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "consumer", "private": true }');
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", archive]);
  // Before the programs run, because they leave compiled code beside the bundle.
  files.push(...filesBelow(installed, /./));
});

describe("a project that installs the package", () => {
  const use =
    'const { app } = { app: exportImages({ images: ["registry.example/app"] }) }; app.result.catch((error) => console.log(error.code));';

  test("imports it from an ES module", () => {
    writeFileSync(join(project, "use.mjs"), `import { exportImages } from "tandem";\n${use}`);
    expect(run(process.execPath, ["use.mjs"])).toMatch(/^EXPORT_\w+\n$/);
  });

  test("requires it from CommonJS", () => {
    writeFileSync(join(project, "use.cjs"), `const { exportImages } = require("tandem");\n${use}`);
    expect(run(process.execPath, ["use.cjs"])).toMatch(/^EXPORT_\w+\n$/);
  });

  test("is shown the message, code and hint of an uncaught failure once, and no minified code", () => {
    const source =
      'import { exportImages } from "tandem"; await exportImages({ images: ["registry.example/app"] }).result;';
    writeFileSync(join(project, "uncaught.mjs"), source);
    const { stderr } = spawnSync(process.execPath, ["uncaught.mjs"], { cwd: project, env, encoding: "utf8" });
    const [shown = "", ...causes] = stderr.split("[cause]");
    expect(shown).toContain("Fault: failed to resolve inputs: ");
    expect(shown.match(/Run the analyzer first/g)).toHaveLength(1);
    expect(causes.length).toBeGreaterThan(0);
    expect(stderr.split("\n").filter((line) => line.length > 500)).toEqual([]);
  });

  test("compiles against its declarations, with libraries checked", () => {
    const source = `
      import { type ExportEvent, type ExportOptions, exportImages, Fault } from "tandem";
      const options: ExportOptions = { images: ["registry.example/app"], parallel: true };
      export async function ready(): Promise<string> {
        for await (const event of exportImages(options)) if (event.event === "app-image-ready") return event.digest;
        throw new Fault("EXPORT_INTERNAL", "no image");
      }
      // @ts-expect-error there is no such member
      export const absent = (event: ExportEvent) => event.absent;`;
    writeFileSync(join(project, "use.ts"), source);
    const compilerOptions = {
      module: "nodenext",
      target: "es2024",
      lib: ["es2024", "dom", "esnext.disposable"],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: [],
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
    const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { status, stdout } = spawnSync(process.execPath, [compiler], { cwd: project, encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  });

  test.each(["exporter", "creator"])("runs the program %s", (name) => {
    const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
    const version = execFileSync(join(project, "node_modules", ".bin", name), ["-version"], {
      env: { ...env, PATH },
      encoding: "utf8",
    });
    expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("is told by the library that Node.js is too old", () => {
    const old = 'Object.defineProperty(process.versions, "node", { value: "25.9.0" });';
    const { status, stderr } = spawnSync("node", ["-e", `${old} require("tandem")`], {
      cwd: project,
      env,
      encoding: "utf8",
    });
    expect(stderr).toMatch(/^Error: tandem needs Node\.js 26 or newer, and this is v/m);
    expect(status).toBe(1);
  });

  test("is told to install a newer Node.js, and not to run npm ci, which the package has no lock file for", () => {
    const old = join(temporary, "old");
    mkdirSync(old);
    writeFileSync(join(old, "node"), "#!/bin/sh\necho v20.20.2\n", { mode: 0o755 });
    const program = join(project, "node_modules", ".bin", "exporter");
    const { status, stderr } = spawnSync(program, [], {
      env: { PATH: `${old}:${process.env.PATH}` },
      encoding: "utf8",
    });
    expect(stderr).toBe(`ERROR: ${old}/node is Node.js v20.20.2: install Node.js 26 or newer\n`);
    expect(status).toBe(1);
  });

  test("gets a few megabytes, and nothing of the machine that packed it", () => {
    const bytes = [...filesBelow(join(project, "node_modules"), /./)].reduce(
      (sum, path) => sum + statSync(path).size,
      0,
    );
    expect(files.map((path) => path.slice(installed.length))).toContain("/dist/index.cjs");
    expect(bytes).toBeLessThan(10e6);
    expect(
      files.filter((path) => /compiled|\.source$|\/(src|test|node_modules)\//.test(path.slice(installed.length))),
    ).toEqual([]);
    const machine = files.filter((path) => readFileSync(path, "latin1").includes(join(temporary, "checkout")));
    expect(machine).toEqual([]);
  });
});
