import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mayMount } from "../../support/files/mounts.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { DEFAULT_ENVIRONMENT, EXPORTER, startProgram } from "../../support/process/exporter.ts";
import { listeningSockets } from "../../support/process/process-state.ts";
import {
  environmentOf,
  HIDDEN_VARIABLES,
  hostileEnvironment,
  threadNames,
} from "../../support/process/runtime-inputs.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { Scene } from "../../support/scenes/scene.ts";

/*
 * Only the command's own flags and variables change what it does (SECURITY.md, "The runtime's own inputs").
 */

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("Some tests of the runtime's inputs are skipped: they need root.");

/** Runs a plain export in this process and a modified one by the command; their logs must be byte-identical. */
async function expectNoDifference(
  scene: Scene,
  start: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const args = scene.arguments({ cache: "" });
  const plain = await exportInProcess(args);
  expect(plain).toMatchObject({ exitCode: 0 });
  const [program = "", ...before] = start;
  const other = await startProgram(program, [...before, EXPORTER, ...args], env).ended;
  expect(other.stderr).toBe(plain.stderr);
  expect(other.stdout).toBe(plain.stdout);
  expect(other.exitCode).toBe(0);
}

/** Starts the command through a shell script that ends in `exec "$@"`. */
const by = (script: string): readonly string[] => ["sh", "-c", `${script}; exec "$@"`, "sh"];

describe("variables that the runtime reads", () => {
  test("do not change an export", async () => {
    const own = {
      TANDEM_ENV_CNB_PLATFORM_API: "9.9",
      TANDEM_HIDDEN: "CNB_PLATFORM_API",
      TANDEM_IGNORED_SIGNALS: "not a mask",
      TANDEM_INVOKED_AS: "creator",
      TANDEM_OPEN_FILES: "1",
      // The runtime would crash at a language of over 11 letters.
      LC_ALL: "nonsensically_TR",
    };
    await expectNoDifference(await Scene.openSmall(await FakeRegistry.start()), ["env"], {
      ...hostileEnvironment(),
      ...own,
    });
  });

  test("are hidden from Node.js and restored for programs that the command starts", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const directory = tempTree({
      "config.json": '{"credsStore":"looks"}',
      // `environ` is what the helper was given; what its shell would print may be more.
      "docker-credential-looks": `#!/bin/sh
cat /proc/$$/environ > "$DOCKER_CONFIG/helper"
cat /proc/$PPID/environ > "$DOCKER_CONFIG/command"
echo credentials not found in native keychain
exit 1
`,
    });
    chmodSync(join(directory, "docker-credential-looks"), 0o755);
    const env = {
      ...hostileEnvironment(),
      LD_AUDIT: "/nonexistent.so",
      LD_PRELOAD: "/nonexistent.so",
      DOCKER_CONFIG: directory,
      HOME: directory,
      PATH: `${directory}:${process.env.PATH}`,
      WITH_NEWLINES: "\n a\nb\n",
      // Names that a shell script is likely to use.
      ...Object.fromEntries("name value key root node cli program version".split(" ").map((name) => [name, "theirs"])),
      EMPTY: "",
    };
    expect(await scene.export({ env, byCommand: true })).toMatchObject({ exitCode: 0 });
    const helper = environmentOf(readFileSync(join(directory, "helper"), "utf8"));
    // Shells add some of these to the environment of their children.
    for (const name of ["PWD", "OLDPWD", "SHLVL", "_"]) delete helper[name];
    expect(helper).toEqual({ ...DEFAULT_ENVIRONMENT, ...env });
    const command = environmentOf(readFileSync(join(directory, "command"), "utf8"));
    const own = ["NODE_COMPILE_CACHE", "NODE_COMPILE_CACHE_PORTABLE"];
    expect(HIDDEN_VARIABLES.filter((name) => name in command && !own.includes(name))).toEqual([]);
    for (const name of own) expect(command[name]).not.toBe(env[name as keyof typeof env]);
  });

  test("are all listed: Node.js reads no others except those that the command allows", () => {
    // For the clouds' SDKs, temporary files, the user and the terminal; PATH to find programs.
    const allowed =
      /^(?:AWS_\w+|GOOGLE_\w+|HOME|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy|PATH|TE?MP|TERM|TMPDIR|TZ)$/;
    const own = /^(?:CNB_\w+|TANDEM_\w+)$/;
    const cli = join(EXPORTER, "..", "..", "dist", "cli.cjs");
    const { stderr, status } = spawnSync(process.execPath, ["--trace-env", cli, "-version"], {
      env: { CNB_PLATFORM_API: "0.13" },
      encoding: "utf8",
    });
    expect(status).toBe(0);
    const read = [...stderr.matchAll(/^\[--trace-env\] \w+ "(.*)"$/gm)].map(([, name = ""]) => name);
    expect(read).toContain("NODE_EXTRA_CA_CERTS");
    const unknown = read.filter((name) => !HIDDEN_VARIABLES.includes(name) && !allowed.test(name) && !own.test(name));
    expect([...new Set(unknown)]).toEqual([]);
  });
});

describe("an export is the same", () => {
  test.each([
    ["without standard input", by("exec <&-")],
    ["with a directory as standard input", by("exec < /")],
    ["with umask 777", by("umask 777")],
    ["with a stack without limit", by("ulimit -s unlimited")],
    ["with signals that the starter ignores", by("trap '' HUP INT QUIT USR1 USR2 PIPE ALRM CHLD TTIN TTOU XFSZ")],
  ])("%s", async (_how, start) => {
    await expectNoDifference(await Scene.openSmall(await FakeRegistry.start()), start);
  });

  test("with all standard streams closed", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const start = by("exec <&- >&- 2>&-");
    const [program = "", ...args] = [...start, EXPORTER, ...scene.arguments({ cache: "" })];
    expect(await startProgram(program, args).ended).toMatchObject({ exitCode: 0 });
    expect(registry.manifests.find("app", "latest")).toBeDefined();
  });

  test.skipIf(spawnSync("python3", ["--version"]).status !== 0)("with all signals blocked", async () => {
    const script = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals());";
    const start = ["python3", "-c", `${script} os.execvp(sys.argv[1], sys.argv[1:])`];
    await expectNoDifference(await Scene.openSmall(await FakeRegistry.start()), start);
  });

  test("regardless of files in the working directory and the home directory", async () => {
    const trap = "process.exit(77);\n";
    const home = tempTree({
      "package.json": '{"type":"module","imports":{',
      "node.config.json": '{"nodeOptions":{"require":"/nonexistent.js"}}',
      ".env": "NODE_OPTIONS=--no-such-option\n",
      ".npmrc": "node-options=--no-such-option\n",
      "tsconfig.json": "{{",
      "node_modules/@napi-rs/nice/index.js": trap,
      ".node_modules/@napi-rs/nice/index.js": trap,
      ".node_libraries/@napi-rs/nice/index.js": trap,
    });
    await expectNoDifference(await Scene.openSmall(await FakeRegistry.start()), by(`cd '${home}'`), { HOME: home });
  });

  /** @returns a start of the exporter in a working directory that was deleted */
  function withoutDirectory(scene: Scene) {
    const gone = join(tempTree(), "gone");
    const [program = "", ...before] = by(`mkdir '${gone}'; cd '${gone}'; rmdir '${gone}'`);
    return { program, args: [...before, EXPORTER, ...scene.arguments({ cache: "" })] };
  }

  test.each([
    ["-report", "relative-report.toml", 62, "failed to write report file: open relative-report.toml"],
    ["-report", "relative/report.toml", 62, "failed to write report file: mkdir relative"],
    ["-group", "etc/passwd", 1, "failed to read group file: open etc/passwd"],
    ["-launcher", "bin/sh", 62, "failed to stat launcher at path 'bin/sh': stat bin/sh"],
  ])(
    "without files for relative paths in a working directory that was deleted: %s %s",
    async (flag, path, exitCode, error) => {
      const { program, args } = withoutDirectory(await Scene.openSmall(await FakeRegistry.start()));
      const run = await startProgram(program, [...args.slice(0, -1), flag, path, args.at(-1) ?? ""]).ended;
      expect(run.stderr).toContain(`${error}: no such file or directory\n`);
      expect(run.exitCode).toBe(exitCode);
      expect(existsSync(join("/", path))).toBe(!path.startsWith("relative"));
    },
  );

  test("in a working directory that was deleted, unless a path is relative", async () => {
    const { program, args } = withoutDirectory(await Scene.openSmall(await FakeRegistry.start()));
    const run = await startProgram(program, args).ended;
    expect(run.stdout).toMatch(/^\*\*\* Images \(sha256:/m);
    expect(run.exitCode).toBe(0);
    const refused = await startProgram(program, [...args.slice(0, -1), "-app", "app", args.at(-1) ?? ""]).ended;
    expect(refused.stderr).toContain(
      "ERROR: failed to resolve inputs: getwd: no such file or directory\n" +
        "The working directory was deleted: give app as an absolute path, or start in another directory.\n",
    );
    expect(refused.exitCode).toBe(3);
  });

  test.skipIf(!isRoot)("for a user who is in no database and has no HOME", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const { root, layersDir } = scene.output;
    for (const path of [root, layersDir]) chownSync(path, 123456, 0);
    const user = ["--reuid", "123456", "--regid", "0", "--clear-groups"];
    const args = [...user, EXPORTER, ...scene.arguments({ cache: "", flags: ["-uid", "123456", "-gid", "0"] })];
    const run = await startProgram("setpriv", args).ended;
    expect(run.stderr).not.toContain("ERROR");
    expect(run.exitCode).toBe(0);
  });

  test.skipIf(!mayMount())("when OpenSSL's configuration cannot be read", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const { root, layersDir } = scene.output;
    for (const path of [root, layersDir]) chownSync(path, 1000, 1000);
    const hide = `mount -t tmpfs -o mode=0700 tmpfs /etc/ssl && exec setpriv --reuid 1000 --regid 1000 --clear-groups "$@"`;
    const args = scene.arguments({ cache: "", flags: ["-uid", "1000", "-gid", "1000"] });
    const run = await startProgram("unshare", ["--mount", "sh", "-c", hide, "sh", EXPORTER, ...args]).ended;
    expect(run.stderr).not.toMatch(/ERROR|OpenSSL/);
    expect(run.exitCode).toBe(0);
  });

  test("on a CPU without SSE4.1", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const args = scene.arguments({ cache: "" });
    const plain = await exportInProcess(args);
    const cli = join(EXPORTER, "..", "..", "dist", "cli.cjs");
    const old = await startProgram(process.execPath, ["--no-enable-sse4-1", cli, ...args]).ended;
    expect(old.stdout).toBe(plain.stdout);
    expect(old.exitCode).toBe(0);
  });
});

/** An export whose first and last requests the registry holds, for actions in between. */
async function heldExport(onFirst: (pid: number) => void, onLast: (pid: number) => void, start = by(":")) {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  const [program = "", ...before] = start;
  const running = startProgram(program, [...before, EXPORTER, ...scene.arguments({ cache: "" })]);
  const { pid = 0 } = running.process;
  const then = (act: (pid: number) => void) => async (proceed: () => Promise<Reply>) => {
    act(pid);
    return proceed();
  };
  registry.faults.add(
    { method: "GET", target: /run\/manifests/, action: { around: then(onFirst) } },
    { method: "PUT", target: /app\/manifests/, action: { around: then(onLast) } },
  );
  const run = await running.ended;
  expect(registry.faults.unused).toBe(0);
  return run;
}

describe("a signal", () => {
  test("that does not end a Go program does not end the export, and opens no inspector", async () => {
    const sent: NodeJS.Signals[] = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGXCPU", "SIGIO", "SIGPWR"];
    const seen = { threads: [] as string[], listening: [] as string[] };
    const run = await heldExport(
      (pid) => {
        seen.threads.push(...threadNames(pid));
        for (const signal of sent) process.kill(pid, signal);
      },
      (pid) => seen.listening.push(...listeningSockets(pid)),
    );
    expect(run.stderr).not.toContain("ERROR");
    expect(run.exitCode).toBe(0);
    expect(seen.threads).not.toEqual([]);
    // Node's name for the thread that waits for SIGUSR1.
    expect(seen.threads).not.toContain("SignalInspector");
    expect(seen.listening).toEqual([]);
  });

  test("is ignored if the command was started to ignore it", async () => {
    const run = await heldExport(
      (pid) => {
        for (const signal of ["SIGHUP", "SIGINT"] as const) process.kill(pid, signal);
      },
      () => undefined,
      by("trap '' HUP INT"),
    );
    expect(run.exitCode).toBe(0);
  });
});
