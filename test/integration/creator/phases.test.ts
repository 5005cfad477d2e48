import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { NO_CACHE } from "../../../src/inputs/settings.ts";
import { BUILD_USER } from "../../support/build/builder.ts";
import { CREATOR, FakeBuild, PHASES } from "../../support/creator/fake-build.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { isRunning } from "../../support/network/server-process.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

const isRoot = process.getuid?.() === 0;
const USER = `${BUILD_USER.uid}:${BUILD_USER.gid}`;
const STARTER = isRoot ? "0:0" : USER;

/** Arguments as a table: each flag with its values. */
function flagsOf(args: readonly string[]): Record<string, string[]> {
  const table: Record<string, string[]> = {};
  for (let i = 0; i < args.length; i++) {
    const [name = "", ...bool] = (args[i] ?? "").split("=");
    const values = table[name] ?? [];
    table[name] = values;
    if (!name.startsWith("-")) continue;
    values.push(bool.length > 0 ? bool.join("=") : (args[++i] ?? ""));
  }
  return table;
}

describe("the phases", () => {
  test("run in order as the right user, each with its header and its output", async () => {
    const build = await FakeBuild.open();
    const run = await build.create({ flags: ["-no-color"] });
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toMatch(
      /^===> ANALYZING\nanalyzer speaks\n===> DETECTING\ndetector speaks\n===> RESTORING\nrestorer speaks\n===> BUILDING\nbuilder speaks\n===> EXPORTING\nAdding layer/,
    );
    expect(run.stderr).toContain("analyzer warns\ndetector warns\nrestorer warns\nbuilder warns\n");
    expect(PHASES.map((phase) => build.call(phase)?.user)).toEqual([STARTER, USER, STARTER, USER]);
    await verifyImage(build.image);
  });

  test("have cyan headers at the info level", async () => {
    const build = await FakeBuild.open();
    expect((await build.create()).stdout.split("\n")[0]).toBe("\u001b[36m===> ANALYZING\u001b[0m");
    expect((await build.create({ flags: ["-log-level", "warn"] })).stdout).toMatch(/^analyzer speaks\n/);
    const json = await build.create({ flags: ["-log-format", "json"] });
    expect(JSON.parse(json.stdout.split("\n")[0] ?? "")).toMatchObject({ msg: "===> ANALYZING" });
  });

  test("get the creator's flags", async () => {
    const build = await FakeBuild.open();
    const { output, image, registry } = build;
    const named = ["cache", "previous", "tagged", "run"].map((name) => `${registry.host}/${name}`);
    const [cache = "", previous = "", tagged = "", runImage = ""] = named;
    const flags = [
      ...["-cache-image", cache, "-previous-image", previous, "-tag", tagged, "-tag", `${tagged}:2`],
      ...["-run-image", runImage, "-buildpacks", "/bps", "-order", "/order.toml", "-platform", "/plat"],
      ...["-build-config", "/config", "-system", "/system.toml", "-insecure-registry", "reg.example"],
      ...["-log-level", "debug", "-no-color"],
    ];
    const run = await build.create({ api: "0.15", flags, env: { CNB_GROUP_ID: "7", CNB_NO_COLOR: "false" } });
    expect(run.exitCode).toBe(0);
    const below = (path: string) => [join(output.root, path)];
    const user = { "-uid": [String(BUILD_USER.uid)], "-gid": [String(BUILD_USER.gid)] };
    const shared = { "-layers": [output.layersDir], "-log-level": ["debug"], "-no-color": ["true"] };
    const layout = { "-layout": ["false"], "-layout-dir": [""] };
    const [analyzed, group, runToml] = [below("layers/analyzed.toml"), below("layers/group.toml"), below("run.toml")];
    const buildpacks = {
      "-app": [output.appDir],
      "-build-config": ["/config"],
      "-buildpacks": ["/bps"],
      "-platform": ["/plat"],
    };
    expect(build.call("analyzer")?.args.at(-1)).toBe(image);
    expect(flagsOf(build.call("analyzer")?.args ?? [])).toEqual({
      ...{ "-analyzed": analyzed, "-cache-image": [cache], "-daemon": ["false"], "-run": runToml },
      ...{ "-previous-image": [previous], "-run-image": [runImage], "-tag": [tagged, `${tagged}:2`] },
      ...user,
      ...shared,
      ...layout,
      [image]: [],
    });
    expect(flagsOf(build.call("detector")?.args ?? [])).toEqual({
      ...{ "-analyzed": analyzed, "-group": group, "-order": ["/order.toml"], "-run": runToml },
      ...{ "-system": ["/system.toml"] },
      ...buildpacks,
      ...shared,
    });
    expect(flagsOf(build.call("restorer")?.args ?? [])).toEqual({
      ...{ "-analyzed": analyzed, "-cache-dir": [""], "-cache-image": [cache], "-daemon": ["false"], "-group": group },
      "-run": runToml,
      ...user,
      ...shared,
      ...layout,
    });
    expect(flagsOf(build.call("builder")?.args ?? [])).toEqual({
      ...{ "-analyzed": analyzed, "-group": group },
      ...buildpacks,
      ...shared,
    });
    for (const phase of PHASES) expect(build.call(phase)?.env.CNB_INSECURE_REGISTRIES).toBe("reg.example");
    for (const tag of [`${tagged}:latest`, `${tagged}:2`]) await verifyImage(tag);
  });

  test("get no flags that their Platform API lacks", async () => {
    const build = await FakeBuild.open();
    expect((await build.create({ api: "0.7" })).exitCode).toBe(0);
    const names = PHASES.map((phase) => Object.keys(flagsOf(build.call(phase)?.args ?? [])).sort());
    const shared = ["-layers", "-log-level", "-no-color"];
    const some = [...shared, "-analyzed", "-cache-image", "-daemon", "-gid", "-previous-image", "-run-image", "-stack"];
    expect(names).toEqual([
      [...some, "-uid", build.image].sort(),
      [...shared, "-app", "-buildpacks", "-group", "-order", "-platform"].sort(),
      [...shared, "-analyzed", "-cache-dir", "-cache-image", "-gid", "-group", "-uid"].sort(),
      [...shared, "-app", "-buildpacks", "-group", "-platform"].sort(),
    ]);
  });

  test("get only those of the creator's variables that are meant for them", async () => {
    const build = await FakeBuild.open();
    const env = {
      CNB_BUILD_IMAGE: "reg.example/build",
      CNB_EXEC_ENV: "test",
      CNB_LAUNCH_CACHE_DIR: "/none",
      CNB_PARALLEL_EXPORT: "true",
      CNB_EXPERIMENTAL_MODE: "warn",
    };
    expect(await build.create({ env })).toMatchObject({ exitCode: 0 });
    const seen = PHASES.map((phase) => build.call(phase)?.env ?? {});
    for (const phase of seen) {
      expect(phase).toMatchObject({ CNB_PLATFORM_API: "0.12", CNB_EXEC_ENV: "test", CNB_SKIP_LAYERS: "false" });
      for (const name of ["TANDEM_INVOKED_AS", "CNB_PARALLEL_EXPORT", "CNB_LAUNCH_CACHE_DIR", "CNB_SKIP_RESTORE"])
        expect(phase).not.toHaveProperty(name);
    }
    const [analyzer, detector, restorer, builder] = seen;
    expect(analyzer).toMatchObject({ HOME: "/root-home", USER: "starter", CNB_BUILD_IMAGE: "reg.example/build" });
    expect(restorer).toMatchObject({ HOME: "/root-home", USER: "starter" });
    expect(restorer).not.toHaveProperty("CNB_BUILD_IMAGE");
    expect(detector).toMatchObject({ CNB_EXPERIMENTAL_MODE: "quiet", HOME: builder?.HOME, USER: builder?.USER });
    for (const phase of [analyzer, restorer]) expect(phase).toMatchObject({ CNB_EXPERIMENTAL_MODE: "quiet" });
    expect(builder).toMatchObject({ CNB_EXPERIMENTAL_MODE: "warn" });
  });

  test.each([
    { cache: [], passed: ["Warning: other\n"] },
    { cache: ["cache"], passed: [`Warning: ${NO_CACHE}\n`, "Warning: other\n"] },
  ])("do not repeat the creator's warning about a missing cache ($cache)", async ({ cache, passed }) => {
    const build = await FakeBuild.open();
    build.script("restorer", `echo "Warning: ${NO_CACHE}"; echo "Warning: other"\n`);
    const flags = ["-no-color", ...cache.flatMap((name) => ["-cache-image", `${build.registry.host}/${name}`])];
    const run = await build.create({ flags });
    expect(run.exitCode).toBe(0);
    expect(run.stdout.match(/^Warning: .*\n/gm)).toEqual(passed);
    expect(run.stderr.includes(NO_CACHE)).toBe(cache.length === 0);
  });

  test("have the limit of open files that the creator was started with", async () => {
    const build = await FakeBuild.open();
    const start = tempTree({ creator: `#!/bin/sh\nulimit -Sn 123 && exec ${CREATOR} "$@"\n` });
    chmodSync(join(start, "creator"), 0o755);
    for (const phase of PHASES) build.script(phase, `ulimit -Sn > "$FAKE_DIR/${phase}.limit"\n`);
    build.write("builder.sh", `{ ulimit -Sn; ulimit -Hn; } > "$FAKE_DIR/builder.limit"\n`);
    expect(await build.create({ program: join(start, "creator") })).toMatchObject({ exitCode: 0 });
    for (const phase of ["analyzer", "detector", "restorer"]) expect(build.record(`${phase}.limit`)).toBe("123\n");
    const [soft, hard] = build.record("builder.limit").split("\n");
    expect([soft, Number(hard) > 123]).toEqual(["123", true]);
    for (const phase of PHASES) expect(build.call(phase)?.env).not.toHaveProperty("TANDEM_OPEN_FILES");
  });

  const loader = "needs /no/such/loader, which is missing or cannot be executed";
  test.each([
    ["", "#!/no/such/loader\n", loader],
    ["ulimit -Sn 123 && ", "#!/no/such/loader\n", loader],
    ["", `\x7fELF\x02\x01${"\x7f".repeat(14)}\n(`, "is a program for another processor"],
  ])("that cannot be executed say why (after %j, as %j)", async (limit, contents, reason) => {
    const build = await FakeBuild.open();
    const start = tempTree({ creator: `#!/bin/sh\n${limit}exec ${CREATOR} "$@"\n` });
    chmodSync(join(start, "creator"), 0o755);
    const detector = join(build.lifecycle, "detector");
    rmSync(detector);
    writeFileSync(detector, contents, { mode: 0o755 });
    const run = await build.create({ program: join(start, "creator"), flags: ["-no-color"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(`ERROR: failed to start the detector: ${detector} ${reason}\n`);
  });

  test.runIf(isRoot)("that the user of the build may not execute are named with that reason", async () => {
    const build = await FakeBuild.open();
    const detector = join(build.lifecycle, "detector");
    chmodSync(detector, 0o700);
    const run = await build.create({ flags: ["-no-color"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(
      `ERROR: failed to start the detector: fork/exec ${detector}: permission denied\nCheck that the user of the build `,
    );
  });

  test.runIf(isRoot)(
    "have the supplementary groups that the creator was started with, except the detector",
    async () => {
      const build = await FakeBuild.open();
      const program = join(build.lifecycle, "grouped-creator");
      writeFileSync(program, `#!/bin/sh\nexec setpriv --groups 54321 ${CREATOR} "$@"\n`, { mode: 0o755 });
      for (const phase of PHASES) build.script(phase, `id -G > "$FAKE_DIR/${phase}.groups"\n`);
      const run = await build.create({ program, env: { CNB_LIFECYCLE_DIR: build.lifecycle } });
      expect(run).toMatchObject({ exitCode: 0 });
      const own = String(BUILD_USER.gid);
      const groups = PHASES.map((phase) => build.record(`${phase}.groups`));
      expect(groups).toEqual(["0 54321\n", `${own}\n`, "0 54321\n", `${own} 54321\n`]);
    },
  );

  test("whose environment buildpacks can see get none of the creator's secrets", async () => {
    const build = await FakeBuild.open();
    const secrets = { CNB_REGISTRY_AUTH: '{"other.example":"Basic c2VjcmV0"}', FAKE_TOKEN: "secret" };
    expect(await build.create({ env: { ...secrets, CNB_EXEC_ENV: "test" } })).toMatchObject({ exitCode: 0 });
    for (const phase of ["analyzer", "restorer"] as const) expect(build.call(phase)?.env).toMatchObject(secrets);
    for (const phase of ["detector", "builder"] as const) {
      expect(build.call(phase)?.env).toMatchObject({ CNB_EXEC_ENV: "test" });
      for (const name of Object.keys(secrets)) expect(build.call(phase)?.env).not.toHaveProperty(name);
    }
  });

  test.each([
    { api: "0.9", restored: false },
    { api: "0.10", restored: true },
  ])("-skip-restore at $api: the restorer is called: $restored", async ({ api, restored }) => {
    const build = await FakeBuild.open();
    const run = await build.create({ api, flags: ["-skip-restore", "-no-color"] });
    expect(run.exitCode).toBe(0);
    expect(build.called.includes("restorer")).toBe(restored);
    expect(run.stdout.includes("===> RESTORING")).toBe(restored);
    for (const phase of build.called) expect(build.call(phase)?.env.CNB_SKIP_LAYERS).toBe("true");
  });

  test("get -skip-restore=false even if the environment says true", async () => {
    const build = await FakeBuild.open();
    await build.create({ api: "0.9", flags: ["-skip-restore=false"], env: { CNB_SKIP_RESTORE: "true" } });
    expect(build.call("restorer")?.env.CNB_SKIP_LAYERS).toBe("false");
  });
});

describe("a failure", () => {
  test.each([
    ["analyzer", 32],
    ["detector", 20],
    ["detector", 21],
    ["restorer", 42],
    ["builder", 51],
    ["builder", 1],
  ] as const)("of the %s ends the creator with the same code, %d", async (phase, exitCode) => {
    const build = await FakeBuild.open();
    build.script(phase, `echo "ERROR: that was it" >&2; exit ${exitCode}\n`);
    const run = await build.create();
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr).toMatch(/ERROR: that was it\n$/);
    expect(build.called).toEqual(PHASES.slice(0, PHASES.indexOf(phase) + 1));
    expect(build.registry.count("PUT", /app\/manifests/)).toBe(0);
  });

  test("a detected extension is rejected", async () => {
    const build = await FakeBuild.open();
    const extension = '[[group-extensions]]\nid = "samples/ext"\nversion = "1"\napi = "0.10"\n';
    appendFileSync(join(build.output.layersDir, "group.toml"), extension);
    const run = await build.create({ flags: ["-no-color"] });
    expect(run.exitCode).toBe(22);
    expect(run.stderr).toContain(
      "ERROR: failed to detect: detected order contains extensions which is not supported by the creator\n",
    );
    expect(build.called).toEqual(["analyzer", "detector"]);
  });

  describe("extensions in the order", () => {
    const GENERATOR_FAILURE = "failed to initialize generator: failed to read run file: read /: is a directory";

    /** As the lifecycle's detector: reads run.toml only once it has detected extensions, to generate Dockerfiles. */
    const detecting = async (api: string) => {
      const build = await FakeBuild.open();
      const order = join(
        tempTree({ "order.toml": "[[order-extensions]]\n[[order-extensions.group]]\n" }),
        "order.toml",
      );
      build.script(
        "detector",
        `if [ "$CNB_RUN_PATH" = / ]; then echo "ERROR: ${GENERATOR_FAILURE}"; exit 1; fi; echo generated\n`,
      );
      return { build, run: await build.create({ api, flags: ["-no-color", "-order", order] }) };
    };

    test.each(["0.11", "0.12"])("are rejected before anything is generated, at API %s", async (api) => {
      const { build, run } = await detecting(api);
      expect(run).toMatchObject({ exitCode: 22 });
      expect(run.stdout).toMatch(/===> DETECTING\ndetector speaks\n$/);
      expect(run.stderr).toContain("ERROR: failed to detect: detected order contains extensions ");
      expect(build.called).toEqual(["analyzer", "detector"]);
      expect(build.call("detector")?.user).toBe(USER);
      const flags = flagsOf(build.call("detector")?.args ?? []);
      expect(flags["-run"]).toEqual(api === "0.12" ? ["/"] : undefined);
    });

    test("have no effect if none is detected", async () => {
      const build = await FakeBuild.open();
      const order = join(tempTree({ "order.toml": "[[order-extensions]]\n" }), "order.toml");
      expect(await build.create({ flags: ["-order", order] })).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining("\ndetector speaks\n"),
      });
    });

    test("do not hide that nothing was detected", async () => {
      const build = await FakeBuild.open();
      const order = join(tempTree({ "order.toml": "[[order-extensions]]\n" }), "order.toml");
      build.script("detector", "echo ERROR: nothing; exit 20\n");
      const run = await build.create({ flags: ["-order", order] });
      expect(run).toMatchObject({ exitCode: 20, stdout: expect.stringMatching(/ERROR: nothing\n$/) });
    });
  });

  test("a run image that the analyzer did not find ends the creator before the build", async () => {
    const build = await FakeBuild.open();
    const analyzed = `[run-image]\nreference = ""\nimage = "${build.registry.host}/none"\n`;
    writeFileSync(join(build.output.layersDir, "analyzed.toml"), analyzed);
    const run = await build.create({ flags: ["-no-color"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(`ERROR: failed to find run image '${build.registry.host}/none'\n`);
    expect(build.called).toEqual(["analyzer"]);
  });

  test("a missing cache directory is named before any phase runs", async () => {
    const build = await FakeBuild.open();
    const run = await build.create({ flags: ["-no-color", "-cache-dir", "/none"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("ERROR: failed to create volume cache: stat /none: no such file or directory\n");
    expect(build.called).toEqual([]);
  });

  test.each([
    ["is missing", () => undefined, "no such file or directory"],
    ["is a directory", mkdirSync, "is a directory"],
  ])("a phase that %s is named before any runs", async (_, replace, reason) => {
    const build = await FakeBuild.open();
    const builder = join(build.lifecycle, "builder");
    rmSync(builder);
    replace(builder);
    const run = await build.create();
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(`failed to find the builder: access ${builder}: ${reason}\n`);
    expect(run.stderr).toContain("CNB_LIFECYCLE_DIR");
    expect(build.called).toEqual([]);
  });

  test("a phase that is killed ends the creator and every process that the phase started", async () => {
    const build = await FakeBuild.open();
    build.script("builder", 'sleep 600 & echo $! > "$FAKE_DIR/pid"\nkill -KILL $$\n');
    const run = await build.create({ flags: ["-no-color"] });
    expect(run.exitCode).toBe(137);
    expect(run.stderr).toContain("ERROR: the builder was killed by SIGKILL\n");
    const pid = Number(build.record("pid"));
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), WAIT);
  });

  test.each([
    [[], "ERROR: failed to parse arguments: received 0 arguments, but expected 1\nName one image "],
    [
      ["reg.example/a", "reg.example/b"],
      "ERROR: failed to parse arguments: received 2 arguments, but expected 1\nName one image ",
    ],
    [[""], "ERROR: failed to resolve inputs: image argument is required\nName the image "],
  ])("of the arguments %j", async (images, message) => {
    const build = await FakeBuild.open();
    const run = await build.create({ images, flags: ["-no-color"] });
    expect(run).toMatchObject({ exitCode: 3, stderr: expect.stringContaining(message) });
    expect(build.called).toEqual([]);
  });

  test.skipIf(!isRoot)("root is told that the phases refuse it", async () => {
    const build = await FakeBuild.open();
    const run = await build.create({ user: [], flags: ["-no-color"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("ERROR: failed to detect: refusing to run as root\n");
    expect(run.stderr).toContain("CNB_USER_ID");
    expect(build.called).toEqual([]);
  });
});

describe("a buildpack that changes documents of earlier phases", () => {
  test.each([
    ["empties the group", "echo > group.toml"],
    ["removes all", "rm *.toml"],
    ["names another run image", 'sed -i "s/^reference = .*/reference = \\"other.example\\/run\\"/" analyzed.toml'],
    ["damages the group", "echo [[ > group.toml"],
  ])("does not change the image: it %s", async (_, damage) => {
    const build = await FakeBuild.open();
    expect(await build.create()).toMatchObject({ exitCode: 0 });
    const { digest } = await verifyImage(build.image);
    build.script("builder", `cd "${build.output.layersDir}" && ${damage} || exit 51\n`);
    expect(await build.create()).toMatchObject({ exitCode: 0 });
    expect((await verifyImage(build.image)).digest).toBe(digest);
  });

  test("fails the export if it damages analyzed.toml, which is read again for the run image's names", async () => {
    const build = await FakeBuild.open();
    build.script("builder", `echo [[ > "${build.output.layersDir}/analyzed.toml"\n`);
    const run = await build.create({ flags: ["-no-color"] });
    expect(run).toMatchObject({ exitCode: 1 });
    expect(run.stderr).toContain("ERROR: failed to read analyzed file: ");
  });
});

test("phases are looked for beside the path that the creator was called by", async () => {
  const build = await FakeBuild.open();
  const program = join(build.lifecycle, "creator");
  symlinkSync(CREATOR, program);
  const run = await build.create({ program, env: { CNB_LIFECYCLE_DIR: "" } });
  expect(run.exitCode).toBe(0);
  expect(build.called).toEqual(PHASES);
});

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
  ["SIGQUIT", 131],
  ["SIGABRT", 134],
] as const)("%s goes on to the phase and to what it started, which may still clean up", async (signal, exitCode) => {
  const build = await FakeBuild.open();
  // Two processes, as of a builder and its buildpack; each says when it is ready for the signal and that it got it.
  const wait = (name: string) =>
    `trap 'echo got > "$FAKE_DIR/${name}"; exit 7' ${signal.slice("SIG".length)}; echo up > "$FAKE_DIR/${name}"`;
  build.write("child", `${wait("child-state")}\nwhile :; do sleep 0.05; done\n`);
  build.script("builder", `${wait("parent-state")}\nsh "$FAKE_DIR/child"\n`);
  const running = build.start({ flags: ["-no-color"] });
  const both = () => [build.record("child-state"), build.record("parent-state")];
  await vi.waitFor(() => expect(both()).toEqual(["up\n", "up\n"]), WAIT);
  running.process.kill(signal);
  const run = await running.ended;
  expect(run.exitCode).toBe(exitCode);
  expect(run.stderr).toMatch(new RegExp(`ERROR: stopped by ${signal}\\n$`));
  await vi.waitFor(() => expect(both()).toEqual(["got\n", "got\n"]), WAIT);
  expect(build.registry.count("PUT", /app\/manifests/)).toBe(0);
});

test("a process that a phase left behind outlives the creator", async () => {
  const build = await FakeBuild.open();
  build.script("builder", 'sleep 600 >"$FAKE_DIR/log" 2>&1 & echo $! > "$FAKE_DIR/pid"\n');
  expect(await build.create()).toMatchObject({ exitCode: 0 });
  const pid = Number(build.record("pid"));
  expect(isRunning(pid)).toBe(true);
  process.kill(pid);
});

test("a phase that does not end is killed when the creator is stopped twice", async () => {
  const build = await FakeBuild.open();
  build.script(
    "builder",
    `trap 'echo got > "$FAKE_DIR/trap"' TERM; echo $$ > "$FAKE_DIR/pid"; while :; do sleep 0.05; done\n`,
  );
  const running = build.start();
  await vi.waitFor(() => expect(build.record("pid")).toMatch(/^\d+\n$/), WAIT);
  running.process.kill("SIGTERM");
  await vi.waitFor(() => expect(build.record("trap")).toBe("got\n"), WAIT);
  running.process.kill("SIGTERM");
  expect(await running.ended).toMatchObject({ status: 143 });
  const pid = Number(build.record("pid"));
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), WAIT);
});

test.runIf(isRoot)("layers and caches belong to the user of the build before the first phase", async () => {
  const build = await FakeBuild.open();
  const directories = [
    build.output.layersDir,
    join(build.output.root, "cache"),
    join(build.output.root, "launch-cache"),
  ];
  const [, cache = "", launchCache = ""] = directories;
  for (const path of [cache, launchCache]) mkdirSync(path);
  build.script("analyzer", `stat -c %u:%g ${directories.join(" ")} > "$FAKE_DIR/owners"\n`);
  const run = await build.create({ flags: ["-cache-dir", cache, "-launch-cache", launchCache] });
  expect(run.exitCode).toBe(0);
  expect(build.record("owners")).toBe(`${USER}\n`.repeat(directories.length));
});

test.runIf(isRoot)("credentials of a registry that only run.toml names are read as root", async () => {
  const build = await FakeBuild.open({ kind: "basic", username: "robot", password: "secret" });
  const { registry, output } = build;
  const auth = { auth: btoa("robot:secret") };
  const runImage = registry.host.replace("127.0.0.1", "localhost");
  const config = tempTree({ "config.json": JSON.stringify({ auths: { [registry.host]: auth, [runImage]: auth } }) });
  chmodSync(config, 0o700);
  writeFileSync(join(output.root, "run.toml"), `[[images]]\nimage = "${runImage}/run"\n`);
  const analyzed = join(output.layersDir, "analyzed.toml");
  writeFileSync(analyzed, `${readFileSync(analyzed, "utf8")}image = "${runImage}/run"\n`);
  const run = await build.create({ env: { DOCKER_CONFIG: config }, flags: ["-no-color"] });
  expect(run).toMatchObject({ exitCode: 0, stderr: expect.not.stringContaining("ERROR") });
});

test.runIf(isRoot).each(["setuid", "setgid"])(
  "root without the capability %s says so before the first phase",
  async (name) => {
    const build = await FakeBuild.open();
    const program = join(build.lifecycle, "weak-creator");
    const without = `--bounding-set -${name} --inh-caps -${name}`;
    writeFileSync(program, `#!/bin/sh\nexec setpriv ${without} ${CREATOR} "$@"\n`, { mode: 0o755 });
    const run = await build.create({ program, env: { CNB_LIFECYCLE_DIR: build.lifecycle }, flags: ["-no-color"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(
      `ERROR: failed to exec as user ${USER}: operation not permitted\nThis process is root without`,
    );
    expect(build.called).toEqual([]);
  },
);
