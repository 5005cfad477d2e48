import { chmodSync, chownSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { type BuildOutput, writeAnalyzed, writeBuildOutput } from "../build/build-output.ts";
import { BUILD_USER } from "../build/builder.ts";
import { tempTree } from "../files/temp-tree.ts";
import { pushRunImage } from "../images/run-image.ts";
import { type RunningExporter, type Streams, startProgram } from "../process/exporter.ts";
import type { AuthOptions } from "../registry/auth.ts";
import { FakeRegistry } from "../registry/registry.ts";

export const CREATOR = join(ROOT, "bin", "creator");

export const PHASES = ["analyzer", "detector", "restorer", "builder"] as const;
export type PhaseName = (typeof PHASES)[number];

/** Records how it was called, in a file of its user, writes to both streams, and runs the test's script. */
const fakePhase = (records: string) => `#!/bin/sh
export FAKE_DIR=${records}
name=\${0##*/}
record=$FAKE_DIR/$name.record
{ printf 'arg %s\\n' "$@"; env; } > "$record.part"
mv "$record.part" "$record"
echo "$name speaks"
echo "$name warns" >&2
if [ -f "$FAKE_DIR/$name.sh" ]; then . "$FAKE_DIR/$name.sh"; fi
`;

export interface PhaseCall {
  readonly args: readonly string[];
  /** `uid:gid` */
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface CreateRequest {
  readonly api?: string;
  readonly program?: string;
  readonly flags?: readonly string[];
  readonly images?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the flags of the build's user. */
  readonly user?: readonly string[];
  readonly streams?: Streams;
}

/** A lifecycle whose phases are scripts, and the output of a finished build for the export. */
export class FakeBuild {
  readonly registry: FakeRegistry;
  readonly output: BuildOutput;
  readonly lifecycle: string;
  readonly #records: string;

  private constructor(registry: FakeRegistry, output: BuildOutput, lifecycle: string, records: string) {
    this.registry = registry;
    this.output = output;
    this.lifecycle = lifecycle;
    this.#records = records;
  }

  /** @param auth what the registry asks for, once the build begins */
  static async open(auth?: AuthOptions): Promise<FakeBuild> {
    const registry = await FakeRegistry.start(auth === undefined ? {} : { auth });
    onTestFinished(() => registry[Symbol.asyncDispose]());
    if (registry.auth !== undefined) registry.auth.isSuspended = true;
    const runImage = await pushRunImage(`${registry.host}/run`);
    if (registry.auth !== undefined) registry.auth.isSuspended = false;
    const sources = tempTree({ "jdk/java": "java\n", "app/index.html": "<p>hello</p>\n" });
    const output = writeBuildOutput(tempTree(), { jdk: { from: [join(sources, "jdk")], launch: true, cache: true } }, [
      join(sources, "app"),
    ]);
    writeAnalyzed(output, runImage);
    writeFileSync(join(output.root, "run.toml"), `[[images]]\nimage = "${registry.host}/run:latest"\n`);
    writeFileSync(join(output.root, "stack.toml"), `[run-image]\nimage = "${registry.host}/run:latest"\n`);
    const [lifecycle, records] = [tempTree(), tempTree()];
    for (const phase of PHASES) writeFileSync(join(lifecycle, phase), fakePhase(records), { mode: 0o755 });
    for (const path of [output.root, lifecycle, records]) chmodSync(path, 0o755);
    chownSync(records, BUILD_USER.uid, BUILD_USER.gid);
    return new FakeBuild(registry, output, lifecycle, records);
  }

  /** @param script lines of a shell script that the phase runs after recording its call */
  script(phase: PhaseName, script: string): void {
    this.write(`${phase}.sh`, script);
  }

  write(name: string, content: string): void {
    writeFileSync(this.path(name), content);
  }

  call(phase: PhaseName): PhaseCall | undefined {
    const path = this.path(`${phase}.record`);
    if (!existsSync(path)) return undefined;
    const lines = readFileSync(path, "utf8").split("\n");
    const args = lines.flatMap((line) => /^arg (.*)$/.exec(line)?.slice(1) ?? []);
    const variables = lines.flatMap((line) => {
      const [, name = "", value = ""] = /^((?:CNB_|TANDEM)\w*|FAKE_TOKEN|HOME|USER)=(.*)$/.exec(line) ?? [];
      return name === "" ? [] : [[name, value] as const];
    });
    const { uid, gid } = statSync(path);
    return { args, user: `${uid}:${gid}`, env: Object.fromEntries(variables) };
  }

  get called(): readonly PhaseName[] {
    return PHASES.filter((phase) => this.call(phase) !== undefined);
  }

  /** Path of a file of the scripts, which know its directory as `$FAKE_DIR`. */
  path(name: string): string {
    return join(this.#records, name);
  }

  record(name: string): string {
    const path = this.path(name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  get image(): string {
    return `${this.registry.host}/app:latest`;
  }

  start({
    api = "0.12",
    program = CREATOR,
    flags = [],
    images = [this.image],
    env = {},
    user,
    streams,
  }: CreateRequest = {}): RunningExporter {
    const { root, layersDir, appDir, launcher } = this.output;
    const minor = Number(api.slice(2));
    const own = user ?? ["-uid", String(BUILD_USER.uid), "-gid", String(BUILD_USER.gid)];
    const paths = ["-layers", layersDir, "-app", appDir, "-launcher", launcher];
    const run = minor >= 12 ? ["-run", join(root, "run.toml")] : ["-stack", join(root, "stack.toml")];
    const sbom = minor >= 11 ? ["-launcher-sbom", join(root, "sbom")] : [];
    const variables = {
      CNB_PLATFORM_API: api,
      CNB_LIFECYCLE_DIR: this.lifecycle,
      HOME: "/root-home",
      USER: "starter",
      ...env,
    };
    const args = [...paths, ...run, ...sbom, ...own, ...flags, ...images];
    return startProgram(program, args, variables, { ...streams, ownSession: true });
  }

  create(request: CreateRequest = {}) {
    return this.start(request).ended;
  }
}
