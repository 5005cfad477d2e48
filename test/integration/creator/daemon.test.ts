import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { Builder } from "../../support/build/builder.ts";
import { CREATOR, FakeBuild } from "../../support/creator/fake-build.ts";
import { create } from "../../support/creator/reference-build.ts";
import { DockerApi } from "../../support/daemon/docker-api.ts";
import { DockerEngine, sharedEngine } from "../../support/daemon/docker-engine.ts";
import { REFERENCE } from "../../support/process/reference-lifecycle.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

describe.skipIf(REFERENCE === "").each(["docker", "podman"] as const)(
  "creator -daemon with the phases of the reference and %s",
  (kind) => {
    const docker = sharedEngine(`Builds with real phases into ${kind}`, () => DockerEngine.startIfPossible(kind));

    async function builder(): Promise<Builder> {
      await docker().importRunImage("samples/run:latest");
      const on = new Builder("samples/run:latest");
      copyFileSync(join(REFERENCE, "launcher"), join(on.root, "launcher"));
      chmodSync(join(on.root, "launcher"), 0o755);
      mkdirSync(join(on.root, "launch-cache"));
      return on;
    }

    const build = (on: Builder, creator: string, image: string, ...flags: readonly string[]) =>
      create(on, { creator, image, flags: ["-daemon", ...flags], env: { DOCKER_HOST: docker().host } });

    test("builds an image that runs, the same image if nothing changed, and another if something did", async () => {
      const on = await builder();
      const caches = ["-cache-dir", join(on.root, "home"), "-launch-cache", join(on.root, "launch-cache")];
      const first = await build(on, CREATOR, "created", ...caches);
      expect(first).toMatchObject({ exitCode: 0 });
      expect(first.stdout).toContain("jdk: making jdk\njdk: making launch-only\n");
      const image = await docker().inspect("created");
      expect(await docker().run("created")).toBe("one");

      on.forget();
      const again = await build(on, CREATOR, "created", ...caches);
      expect(again).toMatchObject({ exitCode: 0 });
      expect(again.stdout).not.toContain("making");
      expect(again.stdout).toContain("maven: found repository\n");
      expect(again.stdout).toContain("Reusing layer 'samples/jdk:launch-only'\n");
      expect((await docker().inspect("created")).Id).toBe(image.Id);

      on.forget();
      on.write("workspace/value", "two\n");
      const changed = await build(on, CREATOR, "created", ...caches);
      expect(changed).toMatchObject({ exitCode: 0 });
      expect(changed.stdout).toContain("Adding layer 'samples/jdk:jdk'\n");
      expect(await docker().run("created")).toBe("two");
    });

    test("builds an image equal to the reference's", async () => {
      const on = await builder();
      const ids: string[] = [];
      for (const [creator, name] of [
        [join(REFERENCE, "creator"), "theirs"],
        [CREATOR, "ours"],
      ] as const) {
        on.forget();
        expect(await build(on, creator, name)).toMatchObject({ exitCode: 0 });
        ids.push((await docker().inspect(name)).Id);
      }
      expect(ids[1]).toBe(ids[0]);
    });
  },
);

test("a daemon that closes idle connections keeps those that only root can open, however long the build takes", async () => {
  const build = await FakeBuild.open();
  const [api, host] = await DockerApi.start({ apiVersion: "1.41", storage: "classic", knowsBase: true });
  api.idleMs = 3000;
  chmodSync(host.replace("unix://", ""), 0o600);
  build.script("builder", 'while ! [ -f "$FAKE_DIR/go" ]; do sleep 0.05; done\n');
  const running = build.start({ flags: ["-daemon"], images: ["app"], env: { DOCKER_HOST: host } });
  await vi.waitFor(() => expect(build.called).toContain("builder"), WAIT);
  const before = api.requests.length;
  // Longer than it and Node.js wait for a request, 3 + 1 s: 2 connections, 4 pings a second.
  await vi.waitFor(() => expect(api.requests.length).toBeGreaterThan(before + 16), WAIT);
  build.write("go", "");
  expect(await running.ended).toMatchObject({ exitCode: 0 });
  expect(api.connections).toBe(2);
  expect(api.loads).toHaveLength(1);
  await api[Symbol.asyncDispose]();
});
