import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { buildLifecycle } from "../../../scripts/lifecycle/build-lifecycle.ts";
import { ROOT } from "../../../scripts/script.ts";
import { sharedEngine } from "../../support/daemon/docker-engine.ts";
import { sharedDirectory } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { binaryBuildProblem } from "../../support/process/binary-build.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { RealRegistry } from "../../support/registry/real-registry.ts";
import { DOCKER_REGISTRY } from "../../support/registry/registry-program.ts";

/*
 * pack itself builds an app, with a builder whose lifecycle has our exporter and creator, against a real daemon and a
 * real registry.
 */

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

const whyNot = problem() ?? binaryBuildProblem();
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

const DEPLOY = join(ROOT, "deploy");

/** The fields of a Task that are needed to run its steps. */
const variables = z.array(z.object({ name: z.string(), value: z.coerce.string() })).default([]);
const taskSchema = z.object({
  spec: z.object({
    stepTemplate: z.object({ env: variables }),
    steps: z.array(
      z.object({
        image: z.string(),
        command: z.array(z.string()).default(["/bin/sh", "-c"]),
        args: z.array(z.string()).default([]),
        script: z.string().optional(),
        env: variables,
        securityContext: z.object({ runAsUser: z.number() }).optional(),
      }),
    ),
  }),
});

describe.skipIf(whyNot !== undefined)("pack", () => {
  const root = sharedDirectory();
  const engine = sharedEngine("Builds with pack", undefined, prepare);
  const below = (...path: readonly string[]) => join(root, ...path);
  let registry: RealRegistry;

  function write(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(below(path)), { recursive: true });
    writeFileSync(below(path), content);
    chmodSync(below(path), mode);
  }

  const image = (name: string) => `${registry.host}/${name}:latest`;

  async function pack(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, DOCKER_HOST: engine().host, PACK_HOME: below("pack"), PACK_VOLUME_KEY: "key" };
    const { stdout } = await run(PACK, [...args, "--no-color", "--pull-policy", "if-not-present"], { env });
    return stdout;
  }

  function build(name: string, ...flags: readonly string[]): Promise<string> {
    const where = ["--path", below("app"), "--builder", image("builder"), "--network", "host"];
    return pack("build", name, ...where, "--docker-host", engine().host, ...flags);
  }

  async function prepare(): Promise<void> {
    registry = await RealRegistry.start(DOCKER_REGISTRY);
    await pushBase();
    const archive = await packLifecycle();
    write("app/index.html", "<p>hello</p>\n");
    write("builder.toml", builderToml(archive));
    await pack("builder", "create", image("builder"), "--config", below("builder.toml"));
  }

  afterAll(async () => registry?.[Symbol.asyncDispose]());

  /** An image with a shell and no C library, as build and run image. */
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
    await engine().importImage(image("base"), below("base"), changes);
    await engine().docker("tag", image("base"), image("run"));
    for (const name of ["base", "run"]) await engine().docker("push", "--quiet", image(name));
  }

  /** The reference's phases as a release, with tandem's in their place; and a lifecycle image of them. */
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
uri = "${join(DEPLOY, "pack/buildpack")}"
[[order]]
[[order.group]]
id = "samples/hello"
version = "0.1.0"
`;
  }

  /** Builds twice; the second build has nothing to do. */
  async function buildTwice(name: string, flags: readonly string[]): Promise<void> {
    const first = await build(name, ...flags);
    expect(first).toContain("Adding layer 'samples/hello:greeting'");
    expect(first).toContain("Adding cache layer 'samples/hello:repository'");
    const second = await build(name, ...flags);
    expect(second).toContain("Reusing layer 'samples/hello:greeting'");
    expect(second).toContain("Reusing cache layer 'samples/hello:repository'");
    expect(second).toContain("Successfully built image");
  }

  const start = (name: string) => engine().run(name);

  const TRUST = [
    ["trusted, by the creator", ["--trust-builder"]],
    ["not trusted, by the exporter", ["--lifecycle-image"]],
  ] as const;

  const flagsOf = (flags: readonly string[]) =>
    flags.flatMap((flag) => (flag === "--lifecycle-image" ? [flag, image("lifecycle")] : [flag]));

  test.each(TRUST)("publishes an image and its cache image with a builder that is %s", async (what, flags) => {
    const name = what.startsWith("not") ? "exported" : "created";
    await buildTwice(image(name), [...flagsOf(flags), "--publish", "--cache-image", image(`${name}-cache`)]);
    await verifyImage(image(name));
    await verifyImage(image(`${name}-cache`));
    await engine().docker("pull", "--quiet", image(name));
    expect(await start(image(name))).toBe("hello from the app");
  });

  test("creates a builder with which the steps of the Tekton task publish both images", async () => {
    const params = { APP_IMAGE: image("steps"), CACHE_IMAGE: image("steps-cache"), BUILDER_IMAGE: image("builder") };
    const values = new Map<string, string>([
      ...Object.entries({ ...params, SOURCE_SUBPATH: ".", PROCESS_TYPE: "web" }),
      ...Object.entries({ USER_ID: String(USER), GROUP_ID: String(USER), EXPORT_WORKERS: "1" }),
    ]);
    const text = readFileSync(join(DEPLOY, "tekton/task.yaml"), "utf8")
      .replaceAll(/\$\(params\.(\w+)\)/g, (_, name) => values.get(name) ?? "")
      .replaceAll(/\$\((?:workspaces|results)\.(\w+)\.path\)/g, "/$1");
    const { spec } = taskSchema.parse(parse(text));
    cpSync(below("app"), below("source"), { recursive: true });
    write("APP_IMAGE_DIGEST", "", 0o666);
    const mounts = ["source", "layers", "spool", "APP_IMAGE_DIGEST"].flatMap((name) => [
      "--volume",
      `${below(name)}:/${name}`,
    ]);
    for (const { image: name, command, args, script, env, securityContext } of spec.steps) {
      const set = [...spec.stepTemplate.env, ...env].flatMap(({ name: key, value }) => ["--env", `${key}=${value}`]);
      const user = securityContext === undefined ? [] : ["--user", String(securityContext.runAsUser)];
      const [entrypoint = "", ...rest] = [...command, ...args, ...(script === undefined ? [] : [script])];
      const flags = ["--rm", "--network", "host", "--entrypoint", entrypoint, ...mounts, ...set, ...user];
      await engine().docker("run", ...flags, name, ...rest);
    }
    const { digest } = await verifyImage(image("steps"));
    await verifyImage(image("steps-cache"));
    expect(readFileSync(below("APP_IMAGE_DIGEST"), "utf8")).toBe(digest);
    expect(readFileSync(below("layers/events.jsonl"), "utf8")).toContain('"event":"app-image-ready"');
  });

  test.each(TRUST)("builds into the daemon with a builder that is %s", async (what, flags) => {
    const name = what.startsWith("not") ? "exported" : "created";
    await buildTwice(name, flagsOf(flags));
    expect(await start(name)).toBe("hello from the app");
  });
});
