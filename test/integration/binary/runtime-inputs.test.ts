import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildBinary, LIBRARY_DIRECTORIES } from "../../../scripts/build-binary.ts";
import type { Reply } from "../../fakes/registry/exchange.ts";
import { FakeRegistry } from "../../fakes/registry/registry.ts";
import { startProgram } from "../../support/exporter.ts";
import { ARCHITECTURE } from "../../support/libc-root.ts";
import { environmentOf, hostileToBinary, threadNames } from "../../support/runtime-inputs.ts";
import { verifyImage } from "../../support/verify-image.ts";
import { tempTree } from "../../unit/temp-tree.ts";
import { asFake, Scene } from "../export/scene.ts";

/* What test/integration/export/runtime-inputs.test.ts shows of the command, for the executable. */

const directory = mkdtempSync(join(tmpdir(), "tandem-binary-"));
const exporter = join(directory, "lifecycle", "exporter");

beforeAll(async () => {
  const libraries = LIBRARY_DIRECTORIES[ARCHITECTURE];
  await buildBinary({ architecture: ARCHITECTURE, directory: join(directory, "lifecycle"), libraries });
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true }));

test("variables that the runtime reads do not change an export, and reach the programs that it starts", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const args = scene.arguments({ cache: "" });
  const plain = await startProgram(exporter, args).ended;
  const home = tempTree({
    "config.json": '{"credsStore":"looks"}',
    "docker-credential-looks": `#!/bin/sh\ncat /proc/$$/environ > "$DOCKER_CONFIG/helper"\nexit 1\n`,
  });
  chmodSync(join(home, "docker-credential-looks"), 0o755);
  const env = {
    ...hostileToBinary(),
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
  expect(helper).toEqual({ CNB_PLATFORM_API: "0.13", CNB_EXPORT_PROGRESS: "none", ...env });
});

test("SIGUSR1 opens no inspector", async () => {
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
