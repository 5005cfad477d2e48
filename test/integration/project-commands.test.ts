import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { makeStagingDirectory, ROOT } from "../../scripts/script.ts";
import { tempTree } from "../support/files/temp-tree.ts";

const WITH_RUNTIME = "node scripts/with-runtime.mjs ";

const packageSchema = z.object({ scripts: z.record(z.string(), z.string()) });
const { scripts } = packageSchema.parse(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")));

/**
 * All programs of the project that are started with arguments: those of `npm run`, and those that have no name there.
 */
const PROGRAMS = [
  ...Object.values(scripts).flatMap((script) =>
    script.startsWith(WITH_RUNTIME) ? script.slice(WITH_RUNTIME.length) : [],
  ),
  "scripts/build-encoder.ts",
  "test/bench/deflate.ts",
  "test/bench/profile/profile.ts",
  "test/conformance/generate/record.ts",
  "test/fuzz/deflate.ts",
  "test/fuzz/parsers.ts",
];

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, program), ...args], {
    encoding: "utf8",
    env,
  });
  return { status, stdout, stderr };
}

// The arguments of npm test are vitest's.
test.each([
  ["--nosuch", "Unknown option `--nosuch`"],
  ["--testTimeout", "option `--testTimeout <timeout>` value is missing"],
])("npm test refuses %s in one message without a stack trace, before it checks anything", (option, message) => {
  expect(run("scripts/check.ts", [option])).toEqual({
    status: 1,
    stdout: "",
    stderr: `ERROR: ${message}\nSee the arguments with --help\n`,
  });
});

test.each(PROGRAMS.filter((program) => program !== "scripts/check.ts"))(
  "%s refuses an unknown option in one message without a stack trace",
  (program) => {
    expect(run(program, ["--no-such-option"])).toEqual({
      status: 1,
      stdout: "",
      stderr: "ERROR: Unknown option '--no-such-option'\nSee the arguments with --help\n",
    });
  },
);

test.each(["scripts/check.ts", "test/bench/bench.ts"])("%s prints its usage for --help", (program) => {
  expect(run(program, ["--help"])).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^npm \w+ .*-- \[/),
    stderr: "",
  });
});

test.each([
  ["test/bench/bench.ts", ["java"], "Unexpected argument 'java'\nSee the arguments with --help"],
  [
    "test/bench/bench.ts",
    ["--scenario"],
    "Option '--scenario <value>' argument missing\nSee the arguments with --help",
  ],
  ["test/bench/profile/profile.ts", ["--scenario", "none"], "there is no scenario none; there are java, "],
  ["test/bench/deflate.ts", ["--inputs", "none"], "there is no input none; there are libraries, text, compressed"],
  ["test/fuzz/parsers.ts", ["--only", "none"], "there is no target none; there are "],
  ["test/fuzz/deflate.ts", ["--seconds", "soon"], "--seconds takes a number above 0, not soon"],
  ["scripts/binary/build-binary.ts", ["--arch", "riscv"], "--arch riscv: it is one of amd64, arm64"],
  ["scripts/lifecycle/build-lifecycle.ts", [], "no release archive is given\nSee the arguments with --help"],
  ["scripts/acceptance.ts", [], "no path of the lifecycle's source is given\nSee the arguments with --help"],
  ["scripts/acceptance.ts", ["a", "b"], "Unexpected argument 'b'\nSee the arguments with --help"],
])("%s %j is refused", (program, args, message) => {
  const { status, stderr } = run(program, args);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(`ERROR: ${message}`) });
  expect(stderr).not.toMatch(/^\s+at /m);
});

test("the audit without npm names npm and a remedy", () => {
  expect(run("scripts/audit.ts", [], { PATH: tempTree() })).toEqual({
    status: 1,
    stdout: "",
    stderr: "ERROR: npm is not installed\nInstall npm, which comes with Node.js\n",
  });
});

const MAKE_AND_WAIT = `
  import { makeTemporaryDirectory } from ${JSON.stringify(join(ROOT, "scripts", "script.ts"))};
  console.log(["first-", "second-"].map((name) => makeTemporaryDirectory(process.argv[1] + "/" + name)).join(" "));
  setInterval(() => undefined, 1000);
`;

test.each([
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s removes the temporary directories of a command, and ends it with %i", async (signal, exitCode) => {
  const directory = tempTree();
  const child = spawn(process.execPath, ["--input-type=module", "--eval", MAKE_AND_WAIT, directory]);
  const closed = once(child, "close");
  const [output] = await once(child.stdout, "data");
  const made = String(output).trim().split(" ");
  expect(made.map(existsSync)).toEqual([true, true]);
  child.kill(signal);
  expect(await closed).toEqual([exitCode, null]);
  expect(readdirSync(directory)).toEqual([]);
});

test("a build removes what a killed build of the same result left, and nothing else", () => {
  const files = { ".making-one-abcdef/file": "", ".making-other-abcdef/file": "", "one.tgz": "" };
  const directory = tempTree(files);
  const made = makeStagingDirectory(directory, "one");
  expect(readdirSync(directory).map((name) => join(directory, name))).toEqual(
    [made, ...[".making-other-abcdef", "one.tgz"].map((name) => join(directory, name))].sort(),
  );
});
