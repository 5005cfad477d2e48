import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { mayMount } from "../../support/files/mounts.ts";
import { canTrace } from "../../support/files/start-owner.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { EXPORTER, startProgram } from "../../support/process/exporter.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** A copy of the repository's files, without installed packages and build results. @returns its directory */
function checkOut(): string {
  const directory = tempTree();
  for (const name of ["bin", "package.json", "scripts", "src", "tsconfig.json", "workers"])
    cpSync(join(ROOT, name), join(directory, name), { recursive: true });
  return directory;
}

/** Installs this checkout's packages, except for some. */
function install(directory: string, without: readonly string[] = []): void {
  const modules = join(directory, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, "node_modules")).filter((entry) => !without.includes(entry)))
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
}

const exporterOf = (directory: string) => join(directory, "bin", "exporter");

test("a checkout without a build builds its missing parts, also when two exports start at once", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const plain = await exportInProcess(scene.arguments({ cache: "" }));
  const directory = checkOut();
  install(directory);
  const timelines = [1, 2].map((run) => join(scene.output.root, `timeline-${run}.html`));
  const runs = timelines.map((timeline) => {
    const flags = ["-timeline", timeline, "-report", `${timeline}.toml`];
    return startProgram(exporterOf(directory), scene.arguments({ cache: "", flags })).ended;
  });
  for (const run of await Promise.all(runs)) {
    expect(run.stderr).toMatch(/^tandem is not built: building what its sources need, once \.\.\.\n/);
    expect(run.stderr).not.toContain("ERROR");
    expect(run.stdout).toBe(plain.stdout);
    expect(run.exitCode).toBe(0);
  }
  const products = ["encoder-scalar.wasm", "encoder.source", "encoder.wasm", "timeline.html"];
  expect(readdirSync(join(directory, "dist")).sort()).toEqual(products);
  const again = await startProgram(exporterOf(directory), scene.arguments({ cache: "" })).ended;
  expect(again).toMatchObject({ exitCode: 0, stderr: plain.stderr });
});

test("a built checkout starts from compiled code, which every module has", () => {
  const files = readdirSync(join(ROOT, "dist"));
  const modules = files.filter((name) => /\.c?js$/.test(name));
  expect(modules).toContain("cli.cjs");
  expect(files).toEqual(expect.arrayContaining(modules.map((name) => `${name}.compiled`)));
  const env = { PATH: process.env.PATH, CNB_PLATFORM_API: "0.13" };
  const { stderr } = spawnSync("sh", ["-x", join(ROOT, "bin", "exporter"), "-version"], { env, encoding: "utf8" });
  expect(stderr).toMatch(/^\+ exec .*\/dist\/start\.cjs -version$/m);
});

test.skipIf(!mayMount())("a checkout that cannot be written says in one line how to build it", async () => {
  const directory = checkOut();
  install(directory);
  const mount = `mount --bind '${directory}' '${directory}' && mount -o remount,bind,ro '${directory}' && exec "$@"`;
  const program = ["--mount", "sh", "-c", mount, "sh", exporterOf(directory)];
  const run = await startProgram("unshare", program).ended;
  expect(run.stderr).toMatch(/^ERROR: tandem is not built \(EROFS: [^\n]*\): run npm run build in [^\n]*\n$/);
  expect(run.stderr).toContain(`in ${directory}\n`);
  expect(run.exitCode).toBe(1);
});

test.each([
  {
    lacks: "what builds",
    without: ["assemblyscript"],
    says: /^ERROR: tandem is not built \([^\n]+\): run npm run build/m,
  },
  {
    lacks: "one product of the build",
    without: [],
    says: /tandem is not built \(\S+timeline\.html is missing\): run npm run build in/,
  },
])("a checkout that lacks $lacks says how to build it", async ({ without, says }) => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const directory = checkOut();
  install(directory, without);
  if (without.length === 0) {
    // Without subdirectories, in which other tests build at the same time.
    const files = readdirSync(join(ROOT, "dist"), { withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { name } of files) cpSync(join(ROOT, "dist", name), join(directory, "dist", name));
    rmSync(join(directory, "dist", "timeline.html"));
  }
  const flags = ["-timeline", join(scene.output.root, "timeline.html")];
  const run = await startProgram(exporterOf(directory), scene.arguments({ cache: "", flags })).ended;
  expect(run.stderr).toMatch(says);
});

test("encoders of an interrupted build are rebuilt even if the sources are unchanged", async () => {
  const directory = checkOut();
  install(directory);
  // In this process, which loads the compiler once.
  const { buildEncoders }: typeof import("../../../scripts/build-encoder.ts") = await import(
    join(directory, "scripts", "build-encoder.ts")
  );
  const source = join(directory, "workers", "deflate", "assembly", "encode-block.ts");
  // Compiles in less time than the encoder.
  writeFileSync(source, "export function encode(): i32 { return 0; }\n");
  expect(await buildEncoders()).toBe("built");
  const second = join(directory, "dist", "encoder-scalar.wasm");
  const [code, made] = [readFileSync(source), readFileSync(second)];
  appendFileSync(source, "export function added(): i32 { return 1; }\n");
  rmSync(second);
  mkdirSync(join(second, "in the way"), { recursive: true });
  await expect(buildEncoders()).rejects.toThrow("encoder-scalar.wasm");
  rmSync(second, { recursive: true });
  writeFileSync(second, made);
  writeFileSync(source, code);
  expect(await buildEncoders()).toBe("built");
});

/** A directory for PATH with the given Node.js alone. */
function programs(node?: string): string {
  const directory = tempTree();
  if (node === undefined) return directory;
  writeFileSync(join(directory, "node"), `#!/bin/sh\necho ${node}\n`);
  chmodSync(join(directory, "node"), 0o755);
  return directory;
}

test.each([
  [undefined, /^ERROR: there is no Node\.js: install Node\.js 26 or newer, or run npm ci in [^\n]*\n$/],
  ["v20.20.2", /^ERROR: \S+\/node is Node\.js v20\.20\.2: install Node\.js 26 or newer, or run npm ci in [^\n]*\n$/],
  ["", /^ERROR: \S+\/node is Node\.js of an unknown version: install Node\.js 26 or newer, or run npm ci in [^\n]*\n$/],
  ["v26.0.0", /^ERROR: tandem is not built: run npm run build in [^\n]*\n$/],
])("without node_modules and with Node.js %j on the PATH one line says what to do", async (node, says) => {
  const run = await startProgram(exporterOf(checkOut()), [], { PATH: programs(node) }).ended;
  expect(run.stderr).toMatch(says);
  expect(run.exitCode).toBe(1);
});

describe.each(["exporter", "creator"])("%s", (name) => {
  const program = join(ROOT, "bin", name);

  test("starts without programs on the PATH", async () => {
    const run = await startProgram(program, ["-version"], { PATH: programs() }).ended;
    expect(run).toMatchObject({ stderr: "", exitCode: 0 });
  });

  test("starts by its bare name in its directory", async () => {
    const script = `cd '${join(ROOT, "bin")}' && CDPATH=/ sh ${name} -version`;
    expect(await startProgram("sh", ["-c", script]).ended).toMatchObject({ stderr: "", exitCode: 0 });
  });

  test("starts through a chain of relative links if readlink is available", async () => {
    const directory = tempTree({ "one/": "", "two/": "" });
    symlinkSync(relative(join(directory, "one"), program), join(directory, "one", name));
    symlinkSync(join("..", "one", name), join(directory, "two", name));
    const link = join(directory, "two", name);
    expect(await startProgram(link, ["-version"]).ended).toMatchObject({ stderr: "", exitCode: 0 });
    expect(await startProgram(link, ["-version"], { PATH: programs() }).ended).toMatchObject({
      stderr: `ERROR: readlink cannot resolve the link ${link}: start the file that it names\n`,
      exitCode: 1,
    });
  });
});

test("starts with the installed Node.js where a seccomp profile refuses faccessat2", async (context) => {
  if (!canTrace) return context.skip("there is no strace, or it may not trace");
  const options = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=faccessat2:error=EPERM"];
  const strace = findProgram("strace") ?? "";
  const run = await startProgram(strace, [...options, EXPORTER, "-version"], { PATH: programs("v20.20.2") }).ended;
  expect(run.stderr).toBe("");
  expect(run.exitCode).toBe(0);
});
