import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempTree } from "../files/temp-tree.ts";
import { FakeRegistry } from "../registry/registry.ts";
import { Scene } from "../scenes/scene.ts";
import { startProgram } from "./exporter.ts";

const NAMESPACE = ["--pid", "--fork", "--kill-child", "--mount-proc"];
const hasNamespaces = spawnSync("unshare", [...NAMESPACE, "true"]).status === 0;
const needs = hasNamespaces ? "" : " (needs root and unshare)";

/** A script that sends process 1 a signal before it becomes a program. */
function signalFirst(signal: string, program: string): string {
  return `#!/bin/sh\nulimit -c 0\nkill -${signal} 1\nexec ${program} "$@"\n`;
}

interface ProcessOne {
  readonly program: () => string;
  /**
   * Copies the program.
   * @param starting makes the script that the copy starts, from the path of what the program starts
   */
  readonly copy: (starting: (path: string) => string) => string;
}

/** Tests of the command as process 1 of a container, for which the kernel drops signals without a handler. */
export function testAsProcessOne({ program, copy }: ProcessOne): void {
  const openScene = async () => {
    const registry = await FakeRegistry.start();
    return { registry, scene: await Scene.openSmall(registry) };
  };

  test.skipIf(!hasNamespaces).each([
    ["HUP", 129],
    ["INT", 130],
    ["QUIT", 131],
    ["ABRT", 134],
    ["TERM", 143],
  ])(
    `as process 1, a SIG%s before Node.js runs ends it with %i, and nothing is published${needs}`,
    async (...given) => {
      const [signal, exitCode] = given;
      const { registry, scene } = await openScene();
      const script = copy((path) => signalFirst(signal, path));
      const run = await startProgram("unshare", [...NAMESPACE, script, ...scene.arguments({ cache: "" })]).ended;
      expect(run.exitCode).toBe(exitCode);
      expect(registry.manifests.find("app", "latest")).toBeUndefined();
    },
  );

  test.skipIf(!hasNamespaces)(`as process 1, reaps orphans, and cleans up after a signal${needs}`, async () => {
    const { scene } = await openScene();
    const home = tempTree({
      "config.json": '{"credsStore":"orphans"}',
      "docker-credential-orphans": `#!/bin/sh
mkfifo "$DOCKER_CONFIG/end"
orphan=$(sh -c 'cat "$DOCKER_CONFIG/end" >/dev/null & echo $!')
: >"$DOCKER_CONFIG/end"
while [ -e /proc/$orphan ]; do :; done
kill -TERM 1
exec sleep 60
`,
    });
    chmodSync(join(home, "docker-credential-orphans"), 0o755);
    const env = { DOCKER_CONFIG: home, PATH: `${home}:${process.env.PATH}` };
    const args = [...NAMESPACE, program(), ...scene.arguments({ cache: "" })];
    const run = await startProgram("unshare", args, env).ended;
    expect(run.stderr).toContain("ERROR: stopped by SIGTERM\n");
    expect(run.exitCode).toBe(143);
  });

  test.skipIf(!hasNamespaces)(`as process 1, ends with the exit code of the export${needs}`, async () => {
    const { scene } = await openScene();
    const start = (...args: readonly string[]) => startProgram("unshare", [...NAMESPACE, program(), ...args]).ended;
    expect(await start(...scene.arguments({ cache: "" }))).toMatchObject({ exitCode: 0 });
    expect(await start("-no-such-flag")).toMatchObject({ exitCode: 2 });
  });
}
