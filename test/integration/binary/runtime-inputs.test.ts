import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildBinary } from "../../../scripts/build-binary.ts";
import { binaryBuildProblem, NATIVE } from "../../support/binary-build.ts";
import { DEFAULT_ENVIRONMENT, startProgram } from "../../support/exporter.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { environmentOf, hostileEnvironment, threadNames } from "../../support/runtime-inputs.ts";
import { asFake, Scene } from "../../support/scenes/scene.ts";
import { tempTree } from "../../support/temp-tree.ts";
import { verifyImage } from "../../support/verify-image.ts";

/* Like test/integration/export/runtime-inputs.test.ts, for the executable. */

const problem = binaryBuildProblem();
const directory = mkdtempSync(join(tmpdir(), "tandem-binary-"));
const exporter = join(directory, "lifecycle", "exporter");

beforeAll(async () => {
  if (problem === undefined) await buildBinary(NATIVE, join(directory, "lifecycle"));
});

afterAll(() => rmSync(directory, { recursive: true }));

test.skipIf(problem !== undefined)(
  "variables that the runtime reads do not change an export, and reach the programs that it starts",
  async () => {
    const scene = await Scene.open(await FakeRegistry.start());
    const args = scene.arguments({ cache: "" });
    const plain = await startProgram(exporter, args).ended;
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
    const own = { TANDEM_INVOKED_AS: "creator", TANDEM_IGNORED_SIGNALS: "f" };
    const hostile = await startProgram(exporter, args, { ...env, ...own }).ended;
    expect(hostile.exitCode).toBe(0);
    expect(hostile.stdout).toContain(/sha256:\w{64}/.exec(plain.stdout)?.[0]);
    await verifyImage(scene.appImage);
    const helper = environmentOf(readFileSync(join(home, "helper"), "utf8"));
    expect(helper).toEqual({ ...DEFAULT_ENVIRONMENT, ...env });
  },
);

test.skipIf(problem !== undefined)("SIGUSR1 opens no inspector", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const running = startProgram(exporter, scene.arguments({ cache: "" }));
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

test.skipIf(problem !== undefined)("goes on ignoring SIGHUP, as nohup asks", async () => {
  const phases = tempTree();
  for (const name of ["analyzer", "detector", "restorer", "builder", "launcher"])
    writeFileSync(join(phases, name), "#!/bin/sh\nkill -HUP $PPID\nexit 3\n", { mode: 0o755 });
  const args = ["-layers", tempTree(), "-app", tempTree(), "-uid", "1", "-gid", "1", "-run-image", "r.example/run"];
  const script = [
    "-c",
    "trap '' HUP; exec \"$@\"",
    "sh",
    join(directory, "lifecycle", "creator"),
    ...args,
    "r.example/app",
  ];
  const run = await startProgram("sh", script, { CNB_LIFECYCLE_DIR: phases }).ended;
  expect(run.stdout).toContain("ANALYZING");
  expect(run.exitCode).toBe(3);
});
