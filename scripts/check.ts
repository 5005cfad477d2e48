import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { ROOT, runScript, usageError } from "./script.ts";
import { typescript6Tool } from "./typescript-6.ts";

const USAGE = `npm test -- [--quick] [arguments of vitest]

Checks format, lint, types, imports and dead code, and runs the tests.
--quick: less than a minute. Runs unit tests without the encoder's exhaustive ones, and the recorded conformance cases in one
process.`;

const QUICK = [
  "test/unit",
  "test/architecture.test.ts",
  "test/supply-chain.test.ts",
  "test/conformance/conformance.test.ts",
  "--exclude=test/unit/workers/deflate/{determinism,round-trip}.test.ts",
  // The conformance cases that are played in one process.
  "--testNamePattern=^(?!the same (by the command|with docker-registry))",
];
// By default four threads check types, and each computes what it needs of another's: a third more work on two cores.
const TSC = [process.execPath, "node_modules/typescript/bin/tsc", "--noEmit", "--singleThreaded"];
const INCREMENTAL = ["--incremental", "--tsBuildInfoFile", "dist/tsconfig.tsbuildinfo"];
const KNIP = [process.execPath, "node_modules/knip/bin/knip.js"];
const VITEST = [process.execPath, "node_modules/vitest/vitest.mjs", "run"];

/** @throws Error that names an option that vitest does not know, or whose value is missing */
function checkOptions(args: readonly string[]): void {
  if (!args.some((argument) => argument.startsWith("-"))) return;
  const [node = "", ...rest] = VITEST;
  // Vitest checks options before it looks for its configuration, without which it does nothing else.
  const { stderr } = spawnSync(node, [...rest, ...args, "--config", "none"], { cwd: ROOT, encoding: "utf8" });
  const flaw = /^CACError: (.*)$/m.exec(stderr)?.[1];
  if (flaw !== undefined) throw usageError(flaw);
}

/** Shows the output of the tests at once, and that of the other checks when they end. @returns true if all passed */
async function run([command = "", ...args]: readonly string[]): Promise<boolean> {
  const started = performance.now();
  const isTests = VITEST.every((part, i) => part === [command, ...args][i]);
  const child = spawn(command, args, { cwd: ROOT, stdio: ["inherit", isTests ? "inherit" : "pipe", "inherit"] });
  const [output, [status]] = await Promise.all([child.stdout === null ? "" : text(child.stdout), once(child, "close")]);
  const name = [command, ...args].map((part) => part.replace(`${ROOT}/`, "")).join(" ");
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${output}${status === 0 ? "ok" : "FAILED"}  ${name}  ${seconds} s`);
  return status === 0;
}

async function main(args: readonly string[]): Promise<void> {
  checkOptions(args.filter((argument) => argument !== "--quick"));
  const tests = args.flatMap((argument) => (argument === "--quick" ? QUICK : [argument]));
  const imports = typescript6Tool("dependency-cruiser", "bin", "dependency-cruiser.mjs");
  const steps: readonly (readonly string[])[] = [
    ["node_modules/.bin/biome", "check", "--error-on-warnings", "."],
    [...TSC, ...INCREMENTAL],
    [...TSC, "--project", "src/observe/timeline/page"],
    [process.execPath, "node_modules/oxlint/bin/oxlint", "--type-aware"],
    KNIP,
    [...KNIP, "--production"],
    [process.execPath, imports, "--config", ".dependency-cruiser.mjs", "src", "workers"],
    [...VITEST, ...tests],
  ];
  const isWell = await Promise.all(steps.map(run));
  if (isWell.includes(false)) process.exitCode = 1;
}

await runScript(USAGE, main);
