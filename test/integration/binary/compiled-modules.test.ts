import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { bundle, COMPILE_FLAGS, THREAD_ENTRIES } from "../../../scripts/bundle.ts";
import { ROOT } from "../../../scripts/script.ts";
import { builtModules, compiledName } from "../../../src/executable/modules.ts";
import { runtimeList } from "../../../src/process/environment.ts";
import { rootProblem } from "../../support/files/root-file-system.ts";
import { sharedDirectory, tempTree } from "../../support/files/temp-tree.ts";

const FLAGS = runtimeList(readFileSync(join(ROOT, "bin", "runtime.sh"), "utf8"), "node_flags");

const directory = sharedDirectory();
const [modules, start] = [join(directory, "modules"), join(directory, "start")];
/** Compiled once, for all tests that do not change it. */
let compiled: ReturnType<typeof compileIn>;

beforeAll(async () => {
  await bundle({ cli: join(ROOT, "src/cli/main.ts"), ...THREAD_ENTRIES }, modules);
  await bundle({ "compile-modules": join(ROOT, "scripts/compile-modules.ts") }, start, true);
  compiled = compileIn(join(directory, "compiled"));
});

interface CompileOptions {
  /** A command that runs the compilation. */
  readonly within?: readonly string[];
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Compiles a copy of the modules, and returns the compiled files by name. */
function compileIn(copy: string, { within = [], flags = COMPILE_FLAGS, env = {} }: CompileOptions = {}) {
  cpSync(modules, copy, { recursive: true });
  const node = [process.execPath, ...FLAGS, ...flags, join(start, "compile-modules.cjs"), copy];
  const [command = "", ...args] = [...within, ...node];
  const { status, stderr } = spawnSync(command, args, { env: { PATH: process.env.PATH, ...env }, encoding: "utf8" });
  const names = readdirSync(copy).filter((name) => name.endsWith(".compiled"));
  return { copy, status, stderr, files: new Map(names.map((name) => [name, readFileSync(join(copy, name))])) };
}

const compile = (options: CompileOptions) => compileIn(join(tempTree(), "modules"), options);

/** Names of modules whose compiled code differs, with the offset of the first byte that does. */
function differences(some: ReadonlyMap<string, Buffer>, others: ReadonlyMap<string, Buffer>): string[] {
  return [...some].flatMap(([name, bytes]) => {
    const other = others.get(name) ?? Buffer.of();
    return bytes.equals(other) ? [] : [`${name} at ${bytes.findIndex((byte, i) => byte !== other[i])}`];
  });
}

const WITHOUT_CONTROL_GROUPS = '[ ! -d /sys/fs/cgroup ] || mount -t tmpfs none /sys/fs/cgroup; exec "$@"';
const noMounts = rootProblem();
if (noMounts !== undefined) console.warn(`Compiling without control groups is not tested: ${noMounts}.`);

/** A core that this process may use (proc_pid_status(5)): the first ones of a machine may be another container's. */
const [, CORE = ""] = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];

const OPTIONS: Readonly<Record<string, CompileOptions>> = {
  again: {},
  "on one core": { within: ["taskset", "--cpu-list", CORE] },
  "with few descriptors": { within: ["sh", "-c", 'ulimit -n 60; exec "$@"', "sh"] },
  "in another environment": { env: { HOME: ROOT, LANG: "de_DE.UTF-8", TZ: "Asia/Tokyo", TMPDIR: tmpdir() } },
  ...(noMounts === undefined && {
    "without control groups": { within: ["unshare", "--mount", "sh", "-c", WITHOUT_CONTROL_GROUPS, "sh"] },
  }),
};

test.each(Object.entries(OPTIONS))("compiling %s gives the same bytes", (_, options) => {
  const other = compile(options);
  expect(other).toMatchObject({ status: 0 });
  expect([...other.files.keys()]).toContain("cli.cjs.compiled");
  expect([...other.files.keys()]).toEqual([...compiled.files.keys()]);
  expect(differences(compiled.files, other.files)).toEqual([]);
});

test("compiling writes nothing when the garbage collector ran, because freed memory would show in the bytes", () => {
  const { status, stderr, files } = compile({ flags: ["--random-seed=1", "--min-semi-space-size=1"] });
  expect(stderr).toMatch(/the compiled code is not reproducible: V8 collected garbage \d+ times\nEnlarge its heap/);
  expect(status).not.toBe(0);
  expect(files.size).toBe(0);
});

test("Node.js accepts the compiled code with the flags that the command starts with", () => {
  const { copy, files } = compiled;
  const program = `
    import { builtModules } from ${JSON.stringify(join(ROOT, "src/executable/modules.ts"))};
    const loader = builtModules(${JSON.stringify(copy)});
    const names = ${JSON.stringify([...files.keys()])}.map((name) => name.slice(0, -".compiled".length));
    console.log(JSON.stringify(names.filter((name) => loader.compile(name).cachedDataRejected !== false)));
  `;
  const args = [...FLAGS, "--input-type=module", "--eval", program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect({ stdout, stderr }).toEqual({ stdout: "[]\n", stderr: "" });
});

describe("a module runs from its source if its compiled code", () => {
  const damage: Readonly<Record<string, (path: string) => void>> = {
    "is missing": (path) => rmSync(path),
    "is truncated": (path) => truncateSync(path, 1000),
    "cannot be read": (path) => {
      rmSync(path);
      mkdirSync(path);
    },
  };

  test.each(Object.entries(damage))("%s", (_, spoil) => {
    const copy = join(tempTree(), "modules");
    cpSync(compiled.copy, copy, { recursive: true });
    // The bundler's helpers, which do nothing when they are loaded.
    const name = "chunk-rolldown-runtime.cjs";
    spoil(join(copy, compiledName(name)));
    const loader = builtModules(copy);
    expect(loader.compile(name).cachedDataRejected).not.toBe(false);
    expect(Object.keys(loader.require(`./${name}`))).not.toEqual([]);
  });
});
