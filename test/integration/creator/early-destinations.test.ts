import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { EarlyBuild, layerScript } from "../../support/creator/early-build.ts";
import { sharedEngine } from "../../support/daemon/docker-engine.ts";
import { KEEPS_ACCESS_TIMES } from "../../support/files/access-times.ts";
import { writableDirectory } from "../../support/files/temp-tree.ts";
import { verifyLayout, writeRunLayout } from "../../support/images/layout.ts";
import { readEvents } from "../../support/process/exporter.ts";
import { IS_TRUSTED } from "../../support/scenes/early-scene.ts";

const JRE = layerScript("jre", "truncate -s 10M lib; echo one > release");

interface Destination {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Builds with two buildpacks; the second one waits until the first one's layer is being hashed. */
async function buildEarly(early: EarlyBuild, { flags, env }: Destination, image: string) {
  const events = join(writableDirectory(), "events");
  early.buildpacks({ first: JRE });
  const running = early.start({ flags: [...flags, "-events", events], env, images: [image] });
  await early.untilRead("jre/release");
  expect(early.isSecondRunning).toBe(true);
  expect(await early.finish(running)).toMatchObject({ exitCode: 0 });
  return readEvents(events);
}

async function buildLate(early: EarlyBuild, { flags, env }: Destination, image: string): Promise<void> {
  early.build.script("builder", ":");
  const run = await early.start({ flags: [...flags, "-early", "none"], env, images: [image] }).ended;
  expect(run).toMatchObject({ exitCode: 0 });
}

const HASHED = expect.objectContaining({ event: "layer-hashed", id: "early/first:jre", early: true });

/** A layer's work in passes of the export. */
function workOn(events: Awaited<ReturnType<typeof buildEarly>>, id: string) {
  return events.find((event) => event.event === "layer" && event.id === id);
}

const canSeeEarly = IS_TRUSTED && KEEPS_ACCESS_TIMES;

describe.runIf(canSeeEarly)("a layer for a daemon is hashed while the build runs", () => {
  const docker = sharedEngine("Early exports into docker");

  test("and the image equals that of a build without early export", async () => {
    const early = await EarlyBuild.open();
    const destination = { flags: ["-daemon"], env: { DOCKER_HOST: docker().host } };
    const runImage = (await docker().importRunImage("run:base")).slice("sha256:".length);
    writeAnalyzed(early.build.output, runImage);
    const events = await buildEarly(early, destination, "early");
    expect(events).toContainEqual(HASHED);
    // Hashed early, then read once more for the daemon; nothing is compressed.
    expect(workOn(events, "early/first:jre")).toMatchObject({ reads: 1, hashes: 1, compressions: 0, tarStreams: 1 });
    await buildLate(early, destination, "late");
    expect((await docker().inspect("early")).Id).toBe((await docker().inspect("late")).Id);
  });
});

test.runIf(canSeeEarly)(
  "a layer for a layout is hashed while the build runs, and the image equals that of a build without early export",
  async () => {
    const early = await EarlyBuild.open();
    const root = writableDirectory();
    const runImage = await writeRunLayout(join(root, "run"));
    chmodSync(join(root, "run"), 0o755);
    writeAnalyzed(early.build.output, runImage);
    const destination = {
      flags: ["-layout", "-layout-dir", join(root, "layouts")],
      env: { CNB_EXPERIMENTAL_MODE: "quiet" },
    };
    const pathOf = (name: string) => join(root, "layouts", "index.docker.io", "library", name, "latest");
    const events = await buildEarly(early, destination, "early");
    expect(events).toContainEqual(HASHED);
    // Hashed early, then compressed into the layout.
    expect(workOn(events, "early/first:jre")).toMatchObject({ reads: 1, hashes: 1, compressions: 1 });
    await buildLate(early, destination, "late");
    expect(verifyLayout(pathOf("early"))).toEqual(verifyLayout(pathOf("late")));
  },
);
