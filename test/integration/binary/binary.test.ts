import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BINARY_FILES, buildBinary } from "../../../scripts/binary/build-binary.ts";
import { fetchPackage } from "../../../scripts/binary/debian-libraries.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import {
  ARBITRARY_USER,
  emulationProblem,
  linkInto,
  makeRoot,
  rootProblem,
  runEmulated,
  runInRoot,
} from "../../support/files/root-file-system.ts";
import { canTrace } from "../../support/files/start-owner.ts";
import { sharedDirectory, tempTree } from "../../support/files/temp-tree.ts";
import { createdByExtension, writeExtendedLayout } from "../../support/images/extended-layout.ts";
import { RegistryAccess } from "../../support/images/registry-access.ts";
import { pushRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { NameServer } from "../../support/network/name-server.ts";
import { binaryBuildProblem, NATIVE } from "../../support/process/binary-build.ts";
import { DEFAULT_ENVIRONMENT, EXPORTER, flagsFor, startProgram } from "../../support/process/exporter.ts";
import { testAsProcessOne } from "../../support/process/process-one.ts";
import { environmentOf, hostileEnvironment, threadNames } from "../../support/process/runtime-inputs.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { asFake, Scene, writeBuild } from "../../support/scenes/scene.ts";

interface Package {
  readonly path: string;
  readonly sha256: string;
}

const MUSL = {
  path: "pool/main/m/musl/musl_1.2.3-1_amd64.deb",
  sha256: "4fc1e3d9b579f5c682ca99a4d45aec08d72a2e6b82b4c2e1bbcb7095466ae96d",
};
const GLIBC_2_31 = {
  path: "pool/main/g/glibc/libc6_2.31-13+deb11u11_amd64.deb",
  sha256: "05f7264da867b37f4c5ce49266b558ea1e81e05a9464f623152fca70f3550282",
};
const BUSYBOX = {
  path: "pool/main/b/busybox/busybox-static_1.35.0-4+deb12u1+b1_amd64.deb",
  sha256: "3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744",
};
const problem = binaryBuildProblem();
const noRoots = problem ?? rootProblem();
const noEmulation = noRoots ?? (NATIVE === "arm64" ? "this is no other architecture" : undefined) ?? emulationProblem();
for (const [what, why] of [
  ["The single executable", problem],
  ["The single executable in other images", noRoots],
  ["The single executable for linux/arm64", noEmulation],
])
  if (why !== undefined) console.warn(`${what} is not tested: ${why}.`);

describe.skipIf(problem !== undefined)("the single executable", () => {
  const directory = sharedDirectory();
  const [lifecycle, arm64] = [join(directory, "lifecycle"), join(directory, "arm64")];

  beforeAll(async () => {
    await buildBinary(NATIVE, lifecycle);
    if (noEmulation === undefined) await buildBinary("arm64", arm64);
    symlinkSync("exporter", join(lifecycle, "lifecycle"));
  });

  async function scene() {
    const registry = await FakeRegistry.start();
    const opened = await Scene.open(registry);
    const { root } = opened.output;
    const builder = ["-launcher-sbom", join(root, "sbom"), "-run", join(root, "run.toml")];
    const images = ["-parallel", "-cache-image", opened.cacheImage, opened.appImage];
    return { opened, args: [...flagsFor(opened.output), ...builder, ...images] };
  }

  test.each([
    ["exporter", []],
    ["lifecycle", ["export"]],
  ])("called as %s, exports what the command exports", async (name, words) => {
    const { opened, args } = await scene();
    const ours = await startProgram(join(lifecycle, name), [...words, ...args]).ended;
    expect(ours.stderr).not.toContain("ERROR");
    expect(ours.exitCode).toBe(0);
    const [app, cache] = [await verifyImage(opened.appImage), await verifyImage(opened.cacheImage)];
    await opened.export({ flags: ["-parallel"] });
    expect((await verifyImage(opened.appImage)).digest).toBe(app.digest);
    expect((await verifyImage(opened.cacheImage)).digest).toBe(cache.digest);
  });

  test("copies layers of image extensions with code that its threads load on demand", async () => {
    const { opened, args } = await scene();
    const { layersDir } = opened.output;
    appendFileSync(join(layersDir, "analyzed.toml"), "extend = true\n");
    const tar = execFileSync("tar", ["-C", tempTree({ "etc/extended": "extended\n" }), "-cf", "-", "etc"]);
    const layers = [
      { blob: Buffer.from("of the run image"), createdBy: "ADD file", isRunImages: true },
      { blob: gzipSync(tar), createdBy: createdByExtension("RUN apt", "samples/apt") },
    ];
    writeExtendedLayout(join(layersDir, "extended"), layers, {});
    const run = await startProgram(join(lifecycle, "exporter"), args).ended;
    expect(run.stderr).not.toContain("ERROR");
    expect(run.exitCode).toBe(0);
    const app = await verifyImage(opened.appImage);
    await opened.export({ flags: ["-parallel"] });
    expect((await verifyImage(opened.appImage)).digest).toBe(app.digest);
  });

  test("called as creator, on the PATH, looks for the other phases beside itself", async () => {
    const { args } = await scene();
    const run = spawnSync("sh", ["-c", 'creator "$@"', "sh", ...args.filter((arg) => arg !== "-parallel")], {
      env: { PATH: `${lifecycle}:${process.env.PATH}`, CNB_PLATFORM_API: "0.13" },
      encoding: "utf8",
    });
    expect(run.stderr).toContain(join(realpathSync(lifecycle), "analyzer"));
    expect(run.status).not.toBe(0);
  });

  testAsProcessOne({
    program: () => join(lifecycle, "exporter"),
    copy: (starting) => {
      const directory = tempTree({ "ld.so": starting(join(lifecycle, "ld.so")) });
      chmodSync(join(directory, "ld.so"), 0o755);
      copyFileSync(join(lifecycle, "exporter"), join(directory, "exporter"));
      for (const name of readdirSync(lifecycle).filter((file) => !["exporter", "ld.so"].includes(file)))
        symlinkSync(join(lifecycle, name), join(directory, name));
      return join(directory, "exporter");
    },
  });

  const version = (program: string, env: Readonly<Record<string, string>> = {}) =>
    spawnSync(program, ["-version"], { env: { CNB_PLATFORM_API: "0.13", ...env }, encoding: "utf8" });

  test("starts through a link from another directory", () => {
    const link = join(tempTree(), "exporter");
    symlinkSync(join(lifecycle, "exporter"), link);
    expect(version(link).status).toBe(0);
  });

  test.each(["-n 31", "-v 1999999", "-d 699999", "-s 99"])(
    "ulimit %s is refused in the words of bin/exporter",
    (limit) => {
      const [ours, command] = [join(lifecycle, "exporter"), EXPORTER].map((program) =>
        spawnSync("sh", ["-c", `ulimit ${limit} && exec ${program} -version`], {
          env: { CNB_PLATFORM_API: "0.13" },
          encoding: "utf8",
        }),
      );
      expect(command?.stderr).toMatch(/^ERROR: this process may have .* raise the limit \(ulimit -\w\)\n$/);
      expect({ ...ours, pid: 0 }).toEqual({ ...command, pid: 0 });
    },
  );

  test("a copy without the files beside it says what to do", () => {
    const copy = join(tempTree(), "exporter");
    copyFileSync(join(lifecycle, "exporter"), copy);
    const { status, stderr } = version(copy);
    expect(stderr).toMatch(
      /^ERROR: failed to execute \S+\/ld\.so: no such file or directory\nexporter must stay in its directory, .*: make a link/,
    );
    expect(status).toBe(126);
  });

  test("a loader that cannot be executed is named with the reason", () => {
    const copy = join(tempTree({ "ld.so": "" }), "exporter");
    copyFileSync(join(lifecycle, "exporter"), copy);
    const { status, stderr } = version(copy);
    expect(stderr).toMatch(/^ERROR: failed to execute \S+\/ld\.so: permission denied\n$/);
    expect(status).toBe(126);
  });

  test("a variable that renaming makes too long for the kernel is an error that says what to do", () => {
    const { status, stderr } = version(join(lifecycle, "exporter"), { A: "a".repeat(131_060) });
    expect(stderr).toMatch(/^ERROR: failed to execute \S+\/ld\.so: argument list too long\nShorten the environment: /);
    expect(status).toBe(126);
  });

  test("a seccomp profile that refuses the C library's way to start threads is an error that says what to do", (context) => {
    if (!canTrace) return context.skip("there is no strace, or it may not trace");
    const refusing = ["-qq", "-o", "/dev/null", "-e", "inject=clone3:error=EPERM", join(lifecycle, "exporter")];
    const { status, stderr } = spawnSync("strace", refusing, { encoding: "utf8" });
    expect(stderr).toMatch(/^ERROR: failed to start threads: .* refuses clone3\nUpdate the container runtime /);
    expect(status).toBe(126);
  });

  test("takes no options of Node.js, neither as arguments nor from the environment", () => {
    const env = { CNB_PLATFORM_API: "0.13", NODE_OPTIONS: "--no-such-option" };
    const run = spawnSync(join(lifecycle, "exporter"), ["--max-old-space-size=1"], { env, encoding: "utf8" });
    expect(run.stderr).toContain("flag provided but not defined: -max-old-space-size");
    expect(run.status).toBe(2);
  });

  test.each([
    ["an argument", '"$0" "-app=$(printf "/\\377")" app'],
    ["a variable, which the launcher renames", 'CNB_APP_DIR="$(printf "/\\377")" exec "$0" app'],
  ])("refuses bytes that are not UTF-8 in %s", async (_, script) => {
    const program = join(lifecycle, "exporter");
    const { ended } = startProgram("sh", ["-c", script, program], { CNB_PLATFORM_API: "0.13", CNB_NO_COLOR: "true" });
    expect((await ended).stderr).toMatch(/^ERROR: invalid value "\/\\xff" for -app: it is not UTF-8\n/);
  });

  test("the loader, the C library and OpenSSL react to no variable of the environment", () => {
    const [plain, config] = [
      version(join(lifecycle, "exporter")),
      join(tempTree({ "openssl.cnf": "[[" }), "openssl.cnf"),
    ];
    const hostile = {
      LD_PRELOAD: "/nonexistent.so",
      LD_LIBRARY_PATH: "/nonexistent",
      LD_DEBUG: "all",
      LD_TRACE_LOADED_OBJECTS: "1",
      GLIBC_TUNABLES: "glibc.malloc.check=99",
      OPENSSL_CONF: config,
      NODE_EXTRA_CA_CERTS: "/nonexistent.pem",
    };
    const run = version(join(lifecycle, "exporter"), hostile);
    expect({ ...run, pid: 0 }).toEqual({ ...plain, pid: 0 });
  });

  test("the phases that creator starts get the original environment and limit of open files", async () => {
    const phases = tempTree();
    for (const name of ["analyzer", "detector", "restorer", "builder", "launcher"])
      writeFileSync(join(phases, name), "#!/bin/sh\nenv\nulimit -Sn\nexit 3\n", { mode: 0o755 });
    const given = { LD_LIBRARY_PATH: "/given", NODE_OPTIONS: "--given", CNB_LIFECYCLE_DIR: phases };
    const args = [
      "-layers",
      tempTree(),
      "-app",
      tempTree(),
      "-uid",
      "1000",
      "-gid",
      "1000",
      "-run-image",
      "r.example/run",
    ];
    const limited = ["-c", 'ulimit -Sn 123; exec "$@"', "sh", join(lifecycle, "creator")];
    const run = await startProgram("/bin/sh", [...limited, ...args, "r.example/app"], given).ended;
    expect(run.stdout).toContain("\n123\n");
    for (const [name, value] of Object.entries(given)) expect(run.stdout).toContain(`${name}=${value}\n`);
    expect(run.stdout).not.toContain("TANDEM_");
  });

  test("a second build gives the same bytes and modes, also under a umask that hides files from others", async () => {
    const again = join(directory, "again");
    const before = process.umask(0o077);
    try {
      await buildBinary(NATIVE, again);
    } finally {
      process.umask(before);
    }
    expect(readdirSync(again)).toEqual(readdirSync(lifecycle).filter((name) => name !== "lifecycle"));
    const files = [...BINARY_FILES.keys()];
    expect(files.flatMap((name) => differenceIn(name, lifecycle, again))).toEqual([]);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    const modes = files.map((name) => [mode(join(lifecycle, name)), mode(join(again, name))]);
    expect(new Set(modes.flat())).toEqual(new Set(["755", "644"]));
    expect(modes.map(([, second]) => second)).toEqual(modes.map(([first]) => first));
    expect(mode(again)).toBe("755");
    expect(readlinkSync(join(again, "creator"))).toBe("exporter");
  });

  test("its directory has the licenses of Node.js, the C library, GCC's libraries and bundled packages", () => {
    const text = readFileSync(join(lifecycle, "tandem.LICENSES"), "utf8");
    for (const part of [
      "Node.js is licensed for use as follows",
      "GNU LESSER GENERAL PUBLIC LICENSE",
      "GCC RUNTIME LIBRARY EXCEPTION",
      "undici 8",
    ])
      expect(text).toContain(part);
  });

  // Like test/integration/process/runtime-inputs.test.ts.
  describe("the runtime's own inputs", () => {
    test("variables that the runtime reads do not change an export, and reach the programs that it starts", async () => {
      const scene = await Scene.openSmall(await FakeRegistry.start());
      const args = scene.arguments({ cache: "" });
      const plain = await startProgram(join(lifecycle, "exporter"), args).ended;
      const home = tempTree({
        "config.json": '{"credsStore":"looks"}',
        "docker-credential-looks": `#!/bin/sh\ncat /proc/$$/environ > "$DOCKER_CONFIG/helper"\nexit 1\n`,
      });
      chmodSync(join(home, "docker-credential-looks"), 0o755);
      const env = {
        ...hostileEnvironment(),
        "not.an-identifier": "\n a\nb\n",
        DOCKER_CONFIG: home,
        PATH: `${home}:${process.env.PATH}`,
      };
      const own = {
        ...{ TANDEM_INVOKED_AS: "creator", TANDEM_IGNORED_SIGNALS: "f" },
        ...{ TANDEM_ENV_CNB_PLATFORM_API: "9.9", TANDEM_HIDDEN: "CNB_PLATFORM_API" },
      };
      const hostile = await startProgram(join(lifecycle, "exporter"), args, { ...env, ...own }).ended;
      expect(hostile.exitCode).toBe(0);
      expect(hostile.stdout).toContain(/sha256:\w{64}/.exec(plain.stdout)?.[0]);
      await verifyImage(scene.appImage);
      const helper = environmentOf(readFileSync(join(home, "helper"), "utf8"));
      expect(helper).toEqual({ ...DEFAULT_ENVIRONMENT, ...env });
    });

    test("SIGUSR1 opens no inspector", async () => {
      const scene = await Scene.openSmall(await FakeRegistry.start());
      const running = startProgram(join(lifecycle, "exporter"), scene.arguments({ cache: "" }));
      const { pid = 0 } = running.process;
      const seen: string[] = [];
      const around = async (proceed: () => Promise<Reply>) => {
        seen.push(...threadNames(pid));
        process.kill(pid, "SIGUSR1");
        return proceed();
      };
      asFake(scene.app).faults.add({ method: "GET", target: /run\/manifests/, action: { around } });
      expect((await running.ended).exitCode).toBe(0);
      expect(seen).not.toEqual([]);
      expect(seen).not.toContain("SignalInspector");
    });

    test("keeps ignoring SIGHUP under nohup", async () => {
      const phases = tempTree();
      for (const name of ["analyzer", "detector", "restorer", "builder", "launcher"])
        writeFileSync(join(phases, name), "#!/bin/sh\nkill -HUP $PPID\nexit 3\n", { mode: 0o755 });
      const args = ["-layers", tempTree(), "-app", tempTree(), "-uid", "1", "-gid", "1", "-run-image", "r.example/run"];
      const script = ["-c", "trap '' HUP; exec \"$@\"", "sh", join(lifecycle, "creator"), ...args, "r.example/app"];
      const run = await startProgram("sh", script, { CNB_LIFECYCLE_DIR: phases }).ended;
      expect(run.stdout).toContain("ANALYZING");
      expect(run.exitCode).toBe(3);
    });
  });

  describe("in a root file system of its own", () => {
    const NAME = "registry.example";
    const authority = new CertificateAuthority();
    const access = new RegistryAccess({ authority: authority.pem });
    let registry: FakeRegistry;
    let names: NameServer;

    beforeAll(async () => {
      registry = await FakeRegistry.start({ tls: authority.issue(NAME, "127.0.0.1") });
      names = await NameServer.start(NAME);
    });
    afterAll(async () => {
      await registry[Symbol.asyncDispose]();
      await names[Symbol.asyncDispose]();
    });

    /** A root with a lifecycle and a build's output, and the arguments to export it to the registry by name. */
    async function rootWith(files: Readonly<Record<string, string>>, programs: string) {
      const root = tempTree();
      makeRoot(root, { "ca.pem": authority.pem, ...SBOMS, ...files });
      linkInto(root, "cnb/lifecycle", programs);
      // Enough work for all threads, and little for an emulator.
      const output = writeBuild({ libraries: { from: ["libraries"], launch: true, cache: true } });
      const byName = (image: string) => image.replace(/^127\.0\.0\.1/, NAME);
      writeAnalyzed(output, byName(await pushRunImage(`${registry.host}/run`, access)));
      cpSync(output.root, join(root, "build"), { recursive: true, verbatimSymlinks: true });
      giveTo(join(root, "build"), ARBITRARY_USER);
      const at = (name: string) => `/build/${name}`;
      const [app, cache] = ["app", "cache"].map((name) => `${registry.host}/${randomUUID()}-${name}:latest`);
      const paths = ["-layers", at("layers"), "-app", at("workspace"), "-launcher", at("launcher")];
      const user = ["-uid", String(ARBITRARY_USER), "-gid", String(ARBITRARY_USER)];
      const builder = ["-run", at("run.toml"), "-launcher-sbom", at("sbom"), "-no-color", "-progress", "none"];
      const images = ["-cache-image", byName(cache ?? ""), byName(app ?? "")];
      const args = ["/cnb/lifecycle/exporter", ...paths, ...user, ...builder, ...images];
      return { root, app: app ?? "", cache: cache ?? "", run: { args, env: ROOT_ENVIRONMENT } };
    }

    /** The SBOMs that the exporter expects in a builder image. */
    const SBOMS = Object.fromEntries(
      ["cdx", "spdx", "syft"].map((kind) => [`cnb/lifecycle/lifecycle.sbom.${kind}.json`, "{}\n"]),
    );
    const DNS = { "etc/resolv.conf": `nameserver ${NameServer.address}\n` };
    const HOSTS = { "etc/hosts": `127.0.0.1 localhost ${NAME}\n` };
    const DESKTOP = {
      "etc/nsswitch.conf":
        "passwd: files systemd\nhosts: files mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns myhostname\n",
    };
    const PASSWD = { "etc/passwd": "root:x:0:0::/root:/bin/sh\n" };
    const PROC = { "proc/.keep": "" };

    /** @param shell of a package, which starts the program */
    async function exportIn(
      files: Readonly<Record<string, string>>,
      packages: readonly string[] = [],
      shell: readonly string[] = [],
    ): Promise<void> {
      const { root, app, cache, run } = await rootWith(files, lifecycle);
      for (const path of packages) execFileSync("dpkg-deb", ["--extract", path, root]);
      const args = [...shell, ...run.args];
      expect(await runInRoot(root, { ...run, args })).toMatchObject({ exitCode: 0, stderr: "" });
      await verifyImage(app, access);
      await verifyImage(cache, access);
    }

    test.skipIf(noRoots !== undefined).each([
      ["resolv.conf", DNS],
      ["a hosts file", HOSTS],
      ["both, /proc, and a user database", { ...DNS, ...HOSTS, ...PASSWD, ...PROC }],
    ])("with nothing but %s, exports both images as a user without a name", async (_what, files) => {
      await exportIn(files);
    });

    for (const [what, files, pin, shell] of [
      ["BusyBox, started by its shell", { ...DNS, ...PASSWD, ...PROC }, BUSYBOX, ["busybox", "sh", "-c", '"$@"', "sh"]],
      ["musl", { ...DNS, ...PASSWD, ...PROC }, MUSL, []],
      ["an older C library and unknown name services", { ...DNS, ...DESKTOP, ...PASSWD, ...PROC }, GLIBC_2_31, []],
    ] as const) {
      const fetched = noRoots ?? fetchOrSay(pin);
      test.skipIf(typeof fetched === "string")(
        `with ${what}, exports both images as a user without a name`,
        async () => {
          await exportIn(files, typeof fetched === "string" ? [] : [fetched.file], shell);
        },
      );
    }

    test.skipIf(noEmulation !== undefined)("for linux/arm64, exports both images", async () => {
      const { root, app, cache, run } = await rootWith({ ...DNS, ...PROC }, arm64);
      expect(await runEmulated(root, run)).toMatchObject({ exitCode: 0, stderr: "" });
      await verifyImage(app, access);
      await verifyImage(cache, access);
    });
  });
});

const ROOT_ENVIRONMENT = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  CNB_PLATFORM_API: "0.13",
  SSL_CERT_FILE: "/ca.pem",
  HOME: "/",
};

/** The first difference of a file in two directories, and the last name of an asset before it. */
function differenceIn(name: string, one: string, other: string): string[] {
  const [bytes, others] = [readFileSync(join(one, name)), readFileSync(join(other, name))];
  if (bytes.equals(others)) return [];
  const offset = bytes.findIndex((byte, i) => byte !== others[i]);
  const before = bytes.toString("latin1", 0, offset === -1 ? undefined : offset);
  const asset = before.match(/[\w.-]+\.(?:c?js(?:\.compiled)?|wasm|html|sh)/g)?.at(-1);
  return [`${name}, ${bytes.length} and ${others.length} bytes, at ${offset}, after ${asset}`];
}

/** @returns why the package is unavailable, or its file */
function fetchOrSay({ path, sha256 }: Package): string | { readonly file: string } {
  try {
    return { file: fetchPackage(path, sha256) };
  } catch (error) {
    console.warn(`The executable is not tested with ${path}: ${error}`);
    return String(error);
  }
}

function giveTo(path: string, user: number): void {
  execFileSync("chown", ["--recursive", "--no-dereference", `${user}:${user}`, path]);
}
