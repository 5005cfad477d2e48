import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildLifecycle } from "../../../scripts/build-lifecycle.ts";
import { binaryBuildProblem } from "../../support/binary-build.ts";
import { DockerEngine } from "../../support/docker-engine.ts";
import { findProgram } from "../../support/find-program.ts";
import { RealRegistry } from "../../support/registry/real-registry.ts";
import { DOCKER_REGISTRY } from "../../support/registry/registry-program.ts";
import { verifyImage } from "../../support/verify-image.ts";

/* pack itself builds an app, with a builder whose lifecycle has our exporter and creator, against a real daemon and a real registry. */

const { PACK = "", REFERENCE_LIFECYCLE_DIR: PHASES = "" } = process.env;
const run = promisify(execFile);

function problem(): string | undefined {
  if (PACK === "" || PHASES === "")
    return "PACK and REFERENCE_LIFECYCLE_DIR do not name pack and a lifecycle's directory";
  if (findProgram("skopeo") === undefined) return "skopeo is not installed (Debian: apt-get install skopeo)";
  return DOCKER_REGISTRY.path === undefined
    ? `docker-registry is not installed (${DOCKER_REGISTRY.remedy})`
    : undefined;
}

const started = problem() ?? binaryBuildProblem() ?? (await DockerEngine.startIfPossible());
const whyNot = typeof started === "string" ? started : undefined;
if (whyNot !== undefined) console.warn(`Builds with pack are skipped: ${whyNot}.`);

const USER = 1000;
const STACK = "samples";

const APIS = '["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"]';
const DESCRIPTOR = `[apis.buildpack]
deprecated = []
supported = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12"]
[apis.platform]
deprecated = []
supported = ${APIS}
[lifecycle]
version = "0.21.0"
`;

const BUILDPACK = `api = "0.10"
[buildpack]
id = "samples/hello"
version = "0.1.0"
[[targets]]
os = "linux"
[[stacks]]
id = "*"
`;

/** A layer for both images, one for the cache, and the process. */
const BUILD = `#!/bin/sh
set -eu
cd "$CNB_LAYERS_DIR"
mkdir -p greeting/bin repository
printf '#!/bin/sh\\necho hello from the app\\n' > greeting/bin/hello
chmod 755 greeting/bin/hello
seq 1 50000 > greeting/numbers
seq 1 40000 > repository/numbers
printf '[types]\\nlaunch = true\\ncache = true\\n' > greeting.toml
printf '[types]\\ncache = true\\n' > repository.toml
printf '[[processes]]\\ntype = "web"\\ncommand = ["hello"]\\ndefault = true\\n' > launch.toml
`;

describe.skipIf(whyNot !== undefined)("pack", () => {
  // Where there is none, nothing below runs.
  const engine = started as DockerEngine;
  let root = "";
  const below = (...path: readonly string[]) => join(root, ...path);
  let registry: RealRegistry;

  function write(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(below(path)), { recursive: true });
    writeFileSync(below(path), content);
    chmodSync(below(path), mode);
  }

  const image = (name: string) => `${registry.host}/${name}:latest`;

  /** @returns what pack printed */
  async function pack(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, DOCKER_HOST: engine.host, PACK_HOME: below("pack"), PACK_VOLUME_KEY: "key" };
    const { stdout } = await run(PACK, [...args, "--no-color", "--pull-policy", "if-not-present"], { env });
    return stdout;
  }

  function build(name: string, ...flags: readonly string[]): Promise<string> {
    const where = ["--path", below("app"), "--builder", image("builder"), "--network", "host"];
    return pack("build", name, ...where, "--docker-host", engine.host, ...flags);
  }

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "tandem-pack-"));
    registry = await RealRegistry.start(DOCKER_REGISTRY);
    await pushBase();
    const archive = await packLifecycle();
    write("buildpack/buildpack.toml", BUILDPACK);
    write("buildpack/bin/detect", "#!/bin/sh\nexit 0\n", 0o755);
    write("buildpack/bin/build", BUILD, 0o755);
    write("app/index.html", "<p>hello</p>\n");
    write("builder.toml", builderToml(archive));
    await pack("builder", "create", image("builder"), "--config", below("builder.toml"));
  }, 300_000);

  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    rmSync(root, { recursive: true });
  });

  /** An image with a shell and no C library: to build with, and to run. */
  async function pushBase(): Promise<void> {
    for (const path of ["base/bin", "base/tmp"]) mkdirSync(below(path), { recursive: true });
    copyFileSync("/bin/busybox", below("base/bin/busybox"));
    for (const applet of execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).trim().split("\n"))
      if (applet !== "busybox") symlinkSync("busybox", below("base/bin", applet));
    write("base/etc/passwd", `root:x:0:0::/root:/bin/sh\ncnb:x:${USER}:${USER}::/home/cnb:/bin/sh\n`);
    write("base/etc/group", `root:x:0:\ncnb:x:${USER}:\n`);
    mkdirSync(below("base/home/cnb"), { recursive: true });
    chownSync(below("base/home/cnb"), USER, USER);
    chmodSync(below("base/tmp"), 0o1777);
    const env = ["PATH=/bin", `CNB_USER_ID=${USER}`, `CNB_GROUP_ID=${USER}`, `CNB_STACK_ID=${STACK}`];
    const changes = [
      ...env.map((set) => `ENV ${set}`),
      `LABEL io.buildpacks.stack.id=${STACK}`,
      `USER ${USER}:${USER}`,
    ];
    await engine.importImage(image("base"), below("base"), changes);
    await engine.docker("tag", image("base"), image("run"));
    for (const name of ["base", "run"]) await engine.docker("push", "--quiet", image(name));
  }

  /** The reference's phases as a release has them, with ours in their place; and the lifecycle image of that. */
  async function packLifecycle(): Promise<string> {
    write("release/lifecycle.toml", DESCRIPTOR);
    mkdirSync(below("release/lifecycle"));
    for (const name of ["lifecycle", "launcher"]) copyFileSync(join(PHASES, name), below("release/lifecycle", name));
    for (const phase of ["analyzer", "builder", "creator", "detector", "exporter", "restorer"])
      symlinkSync("lifecycle", below("release/lifecycle", phase));
    const archive = below("lifecycle-v0.21.0.tgz");
    execFileSync("tar", [
      "--create",
      "--gzip",
      "--file",
      archive,
      "--directory",
      below("release"),
      "lifecycle.toml",
      "lifecycle",
    ]);
    const { archives, image: layout } = await buildLifecycle({ archives: [archive], out: below("made") });
    const to = ["--dest-tls-verify=false", `oci:${layout}`, `docker://${image("lifecycle")}`];
    execFileSync("skopeo", ["copy", "--all", "--insecure-policy", ...to]);
    return archives[0] ?? "";
  }

  function builderToml(archive: string): string {
    return `[lifecycle]
uri = "${archive}"
[build]
image = "${image("base")}"
[[run.images]]
image = "${image("run")}"
[stack]
id = "${STACK}"
build-image = "${image("base")}"
run-image = "${image("run")}"
[[buildpacks]]
uri = "${below("buildpack")}"
[[order]]
[[order.group]]
id = "samples/hello"
version = "0.1.0"
`;
  }

  /** Builds twice, the second time with nothing to do. */
  async function buildTwice(name: string, flags: readonly string[]): Promise<void> {
    const first = await build(name, ...flags);
    expect(first).toContain("Adding layer 'samples/hello:greeting'");
    expect(first).toContain("Adding cache layer 'samples/hello:repository'");
    const second = await build(name, ...flags);
    expect(second).toContain("Reusing layer 'samples/hello:greeting'");
    expect(second).toContain("Reusing cache layer 'samples/hello:repository'");
    expect(second).toContain("Successfully built image");
  }

  const start = (name: string) => engine.run(name);

  const TRUST = [
    ["trusted, by the creator", ["--trust-builder"]],
    ["not trusted, by the exporter", ["--lifecycle-image"]],
  ] as const;

  const flagsOf = (flags: readonly string[]) =>
    flags.flatMap((flag) => (flag === "--lifecycle-image" ? [flag, image("lifecycle")] : [flag]));

  test.each(TRUST)(
    "publishes an image and its cache image with a builder that is %s",
    async (what, flags) => {
      const name = what.startsWith("not") ? "exported" : "created";
      await buildTwice(image(name), [...flagsOf(flags), "--publish", "--cache-image", image(`${name}-cache`)]);
      await verifyImage(image(name));
      await verifyImage(image(`${name}-cache`));
      await engine.docker("pull", "--quiet", image(name));
      expect(await start(image(name))).toBe("hello from the app");
    },
    120_000,
  );

  test.each(TRUST)(
    "builds into the daemon with a builder that is %s",
    async (what, flags) => {
      const name = what.startsWith("not") ? "exported" : "created";
      await buildTwice(name, flagsOf(flags));
      expect(await start(name)).toBe("hello from the app");
    },
    120_000,
  );
});
