import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { buildpackDirectory } from "../../support/build/build-output.ts";
import { makeBuild } from "../run/make-build.ts";
import { type BenchLayer, compressed, plain, type Scenario, shared } from "../scenarios.ts";

/*
 * The buildpacks of the creator scenario, which are shell scripts: a JRE, dependencies, and a compiler that keeps all
 * cores busy for 20 s with a fixed amount of work.
 */

const COMPILE_MS = 20_000;

/** Sizes as in RFC 0125's Java build. */
const LAYERS: readonly BenchLayer[] = [
  shared("jre", compressed("toolchains", 107.6)),
  shared("dependencies", compressed("archives", 49.9)),
  shared("sources", plain("text", 16)),
];

const SCENARIO: Scenario = {
  name: "creator",
  title: "",
  about: "",
  layers: LAYERS,
  app: compressed("archives", 28.5),
  before: "nothing",
  links: [],
  moreLinks: [],
  modes: [],
};

/** Directories that the buildpacks copy from, and the work of a compile. */
export interface CreatorSources {
  readonly buildpacks: readonly string[];
  readonly jre: string;
  readonly dependencies: string;
  readonly sources: string;
  readonly app: string;
  /** A shell script that compiles on all cores. */
  readonly compile: string;
}

/**
 * Collects the files of all layers and measures how much work takes 20 s on all cores. The amount is the same for all
 * contenders, so that the duration of a build shows how much it was disturbed.
 * @param sizeFactor of all sizes and of the 20 s
 */
export async function makeSources(root: string, sizeFactor: number): Promise<CreatorSources> {
  const { output } = makeBuild(root, SCENARIO, sizeFactor);
  // Buildpacks run as another user. Removes links only, not the machine's files.
  spawnSync("find", [root, "-type", "f", "-not", "-perm", "-o+r", "-delete"]);
  const directory = buildpackDirectory(output);
  const sources = join(directory, "sources");
  await compileFor(sources, 1);
  const roundMs = await compileFor(sources, 2);
  const rounds = Math.max(1, Math.round((COMPILE_MS * sizeFactor) / (roundMs / 2)));
  return {
    buildpacks: ["bench/jre", "bench/dependencies", "bench/compiler"],
    jre: join(directory, "jre"),
    dependencies: join(directory, "dependencies"),
    sources,
    app: output.appDir,
    compile: compileScript(sources, rounds),
  };
}

/** @returns ms */
async function compileFor(sources: string, rounds: number): Promise<number> {
  const started = performance.now();
  const child = spawn("/bin/sh", ["-c", compileScript(sources, rounds)], { stdio: "ignore" });
  const [status] = await once(child, "exit");
  if (status !== 0) throw new Error(`the compile of the creator scenario ended with ${status}`);
  return performance.now() - started;
}

/** Reads and compresses many small files on every core, in new processes as compilers do. */
function compileScript(sources: string, rounds: number): string {
  return `core=0
while [ $core -lt ${availableParallelism()} ]; do
  (
    round=0
    while [ $round -lt ${rounds} ]; do
      find '${sources}' -type f -exec cat {} + | gzip -6 >/dev/null
      round=$((round + 1))
    done
  ) &
  core=$((core + 1))
done
wait`;
}

/** Writes the buildpacks below a directory, as `-buildpacks` expects them. */
export function writeBuildpacks(
  directory: string,
  { buildpacks, jre, dependencies, compile, app }: CreatorSources,
  stamps: { readonly start: string; readonly end: string },
): void {
  const scripts = [
    `${stampScript(stamps.start)}
layer=$CNB_LAYERS_DIR/jre
[ -d "$layer" ] || cp -R '${jre}' "$layer"
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$layer.toml"`,
    `layer=$CNB_LAYERS_DIR/dependencies
library=$layer/library-$(cat dependency-version).jar
[ -d "$layer" ] || cp -R '${dependencies}' "$layer"
if ! [ -f "$library" ]; then
  rm -f "$layer"/library-*.jar
  seq -f "$(cat dependency-version) %.0f" 100000 > "$library"
fi
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$layer.toml"`,
    `${compile}
cp -R '${app}' target
printf '[[processes]]\\ntype = "web"\\ncommand = ["java"]\\nargs = ["-jar", "app.jar"]\\ndefault = true\\n' > "$CNB_LAYERS_DIR/launch.toml"
${stampScript(stamps.end)}`,
  ];
  for (const [i, id] of buildpacks.entries()) {
    const root = join(directory, id.replace("/", "_"), "0.1.0");
    write(join(root, "buildpack.toml"), descriptor(id));
    write(join(root, "bin", "detect"), "#!/bin/sh\nexit 0\n");
    write(join(root, "bin", "build"), `#!/bin/sh\nset -eu\n${scripts[i]}\n`);
    for (const program of ["detect", "build"]) chmodSync(join(root, "bin", program), 0o755);
  }
}

/** Writes the time, and the state of the process that started the builder: our creator. */
function stampScript(path: string): string {
  return `date +%s.%N > '${path}'
cat "/proc/$(cut -d ' ' -f 4 /proc/$PPID/stat)/stat" >> '${path}'`;
}

function descriptor(id: string): string {
  return `api = "0.10"
[buildpack]
id = "${id}"
version = "0.1.0"
[[targets]]
os = "linux"
`;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
