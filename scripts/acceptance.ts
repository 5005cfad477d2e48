import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { z } from "zod";
import { BINARY_FILES, BINARY_LINKS, buildBinary } from "./binary/build-binary.ts";
import { ARCHITECTURES, type Architecture } from "./binary/fetch-runtime.ts";
import { runTool } from "./run-tool.ts";
import { makeTemporaryDirectory, ROOT, runScript, usageError } from "./script.ts";

const USAGE = `npm run acceptance -- <path of the lifecycle's source> [--binary dist/binary]

Runs TestVersion, TestCreator and TestExporter of the lifecycle's acceptance suite with tandem's exporter and creator. Needs Go, make, and a
Docker daemon at /var/run/docker.sock. --binary: what build:binary made, instead of making it. Logs go to dist/acceptance.log.`;

/** The suite mounts it into its containers. */
const SOCKET = "/var/run/docker.sock";
const dockerEnvironment = () => ({ ...process.env, DOCKER_HOST: `unix://${SOCKET}` });

/** In Go's order: the exporter's tests need the SBOMs that the creator's tests leave behind. */
const TESTS = ["TestVersion", "TestCreator", "TestExporter"] as const;

/** For three builds of the lifecycle, and 140 tests with containers, one at a time. */
const TIMEOUT = "90m";

const IMAGES = "acceptance/variables_unix.go";
const EXPORTER_TEST = "acceptance/exporter_test.go";
const DOCKER_HELPERS = "testhelpers/docker.go";

/** @throws Error that names what is missing, and what to do */
export function checkPrerequisites(source: string): void {
  for (const file of [IMAGES, EXPORTER_TEST, DOCKER_HELPERS, "Makefile"])
    if (!existsSync(join(source, file)))
      throw new Error(`${source} is not the source of the lifecycle: it has no ${file}\nClone buildpacks/lifecycle`);
  runTool("make", ["--version"], { remedy: "Install make" });
  runTool("go", ["version"], { remedy: "Install Go, in the version that the lifecycle's go.mod asks for" });
  // Downloads the modules, so that an unavailable one is reported before anything runs.
  runTool("go", ["list", "-deps", "-test", "-tags=acceptance", "./cmd/...", "./acceptance"], { cwd: source });
  docker(["--version"]);
  try {
    docker(["version"]);
  } catch (error) {
    throw new Error(`no Docker daemon at ${SOCKET}, which the suite mounts into its containers\nStart dockerd`, {
      cause: error,
    });
  }
  for (const image of baseImages(readFileSync(join(source, IMAGES), "utf8"))) checkImage(image);
}

function docker(args: readonly string[]): string {
  return runTool("docker", args, { env: dockerEnvironment(), remedy: "Install Docker" });
}

/** Base images of the suite's Dockerfiles. */
function baseImages(variables: string): string[] {
  return [...variables.matchAll(/containerBaseImage\w* += "(.+)"/g)].map(([, image = ""]) => image);
}

function checkImage(image: string): void {
  try {
    docker(["image", "inspect", image]);
  } catch {
    try {
      docker(["pull", image]);
    } catch (error) {
      const remedy = `Make it of a root file system (debootstrap): tar --create . | docker import - ${image}`;
      throw new Error(`the image ${image} is neither in the daemon nor in a registry\n${remedy}`, { cause: error });
    }
  }
}

/**
 * Changes a copy of the lifecycle's source so that the suite tests tandem. The suite's assertions stay, except for
 * deliberate differences (docs/compatibility.md#deliberate-differences): warnings may also be on stderr, and extension
 * layers are identified by the digest of their tar.
 * @param programs the directory that build:binary created
 * @throws Error if the source is not as expected
 */
export function adaptSuite(source: string, programs: string, architecture: Architecture): void {
  const build = `build-linux-${architecture}`;
  const files = [...BINARY_FILES.keys(), ...BINARY_LINKS.keys()].map((name) => join(programs, name)).join(" ");
  const made = ["lifecycle", "symlinks", "launcher"].map((part) => `${build}-${part}`).join(" ");
  appendFileSync(
    join(source, "Makefile"),
    `
.PHONY: tandem
${build}: tandem
tandem: ${made}
	cp --no-dereference --remove-destination ${files} $(BUILD_DIR)/linux-${architecture}/lifecycle
`,
  );
  edit(source, DOCKER_HELPERS, [
    [
      'return Run(t, exec.Command("docker", append([]string{"run", "--rm"}',
      (found) => found.replace("Run(", "RunWithCombinedOutput("),
    ],
  ]);
  const tests = readFileSync(join(source, EXPORTER_TEST), "utf8");
  const diffIds = [...tests.matchAll(/expectedDiffID: "(sha256:\w+)"/g)].map(([, diffId = ""]) => diffId);
  const digests = [...tests.matchAll(/expectedDigest: "(sha256:\w+)"/g)].map(([, digest = ""]) => digest);
  if (diffIds.length !== digests.length) throw unexpected(EXPORTER_TEST, "a diffID for each digest");
  edit(source, EXPORTER_TEST, [
    ["digest, err := layer.Digest()", (found) => found.replace("Digest", "DiffID")],
    ...digests.map((digest, i): Edit => [digest, () => diffIds[i] ?? ""]),
  ]);
}

type Edit = readonly [text: string, change: (found: string) => string];

function edit(source: string, file: string, edits: readonly Edit[]): void {
  const path = join(source, file);
  let text = readFileSync(path, "utf8");
  for (const [found, change] of edits) {
    if (text.split(found).length !== 2) throw unexpected(file, `one occurrence of ${found}`);
    text = text.replace(found, change);
  }
  writeFileSync(path, text);
}

function unexpected(file: string, what: string): Error {
  return new Error(
    `${file} does not have ${what}\nUse the lifecycle's commit 4bd4b13, which the suite is adapted from`,
  );
}

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const eventSchema = z.object({ Action: z.string(), Test: z.string().optional(), Output: z.string().optional() });
const ENDS = { pass: "passed", fail: "failed", skip: "skipped" } as const;

/** Counts the results of tests without subtests in the output of `go test -json`. */
export class Results {
  readonly tallies = new Map<string, Tally>();
  readonly failed: string[] = [];
  readonly #parents = new Set<string>();

  /** @param line of `go test -json` @returns the tests' own output in it */
  add(line: string): string {
    const { Action: action, Test: test, Output: output = "" } = parseEvent(line);
    if (test === undefined) return output;
    const [first = "", ...below] = test.split("/");
    // Names of tests may contain slashes, so not all of these are tests.
    for (const [i] of below.entries()) this.#parents.add([first, ...below.slice(0, i)].join("/"));
    const end = ENDS[action as keyof typeof ENDS];
    // A test ends after its subtests.
    if (end === undefined || this.#parents.has(test)) return output;
    const tally = this.tallies.get(first) ?? { passed: 0, failed: 0, skipped: 0 };
    tally[end]++;
    this.tallies.set(first, tally);
    if (end === "failed") this.failed.push(test);
    return output;
  }
}

function parseEvent(line: string): z.infer<typeof eventSchema> {
  try {
    return eventSchema.parse(JSON.parse(line));
  } catch {
    // Messages of the compiler.
    return { Action: "output", Output: `${line}\n` };
  }
}

/** @returns the exit code of `go test`, and the results */
async function runSuite(source: string, log: string): Promise<{ exitCode: number; results: Results }> {
  const pattern = `^(${TESTS.join("|")})$`;
  // One test at a time, because some compare how long builds take.
  const args = ["test", "-json", "-count=1", "-parallel=1", "-tags=acceptance", `-timeout=${TIMEOUT}`, "-run", pattern];
  const child = spawn("go", [...args, "./acceptance"], {
    cwd: source,
    env: dockerEnvironment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const results = new Results();
  const output = createWriteStream(log);
  for await (const line of createInterface({ input: child.stdout })) output.write(results.add(line));
  const [exitCode] = await ended;
  await new Promise((done) => output.end(done));
  return { exitCode: z.number().parse(exitCode ?? 1), results };
}

async function acceptance(source: string, binary: string | undefined): Promise<boolean> {
  checkPrerequisites(source);
  const architecture = (Object.keys(ARCHITECTURES) as Architecture[]).find((a) => ARCHITECTURES[a] === process.arch);
  if (architecture === undefined) throw new Error(`there is no tandem for ${process.arch}`);
  const temporary = makeTemporaryDirectory(join(tmpdir(), "tandem-acceptance-"));
  try {
    const programs = join(resolve(binary ?? temporary), `linux-${architecture}`);
    if (binary === undefined) await buildBinary(architecture, programs);
    else if (!existsSync(programs)) throw new Error(`${programs} does not exist\nMake it with npm run build:binary`);
    const copy = join(temporary, "lifecycle");
    // An earlier build must not be tested.
    const isSource = (path: string) => dirname(path) !== resolve(source) || basename(path) !== "out";
    cpSync(resolve(source), copy, { recursive: true, verbatimSymlinks: true, filter: isSource });
    adaptSuite(copy, programs, architecture);
    mkdirSync(join(ROOT, "dist"), { recursive: true });
    const log = join(ROOT, "dist", "acceptance.log");
    const { exitCode, results } = await runSuite(copy, log);
    for (const [test, { passed, failed, skipped }] of results.tallies)
      console.log(`${test}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
    for (const test of results.failed) console.log(`FAILED ${test}`);
    console.log(`Logs: ${log}`);
    return exitCode === 0;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { binary: { type: "string" } },
  });
  const [source, ...others] = positionals;
  if (source === undefined) throw usageError("no path of the lifecycle's source is given");
  if (others.length > 0) throw usageError(`Unexpected argument '${others[0]}'`);
  if (!(await acceptance(source, values.binary))) process.exitCode = 1;
}

if (import.meta.main) await runScript(USAGE, main);
