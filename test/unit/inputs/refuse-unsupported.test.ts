import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../../../src/inputs/command-line.ts";
import { refuseExtensions, refuseUnsupported } from "../../../src/inputs/refuse-unsupported.ts";
import { resolveSettings } from "../../../src/inputs/resolve-settings.ts";
import { planInputs } from "../plan/plan-inputs.ts";
import { RecordingLogger } from "../recording-logger.ts";
import { tempTree } from "../temp-tree.ts";
import { rejectionOf, thrownBy } from "../thrown-by.ts";

async function settingsOf(args: string[]) {
  const cwd = tempTree({ "analyzed.toml": '[run-image]\nreference="run"' });
  const env = { CNB_PLATFORM_API: "0.12", CNB_LAYERS_DIR: cwd, CNB_EXPERIMENTAL_MODE: "quiet" };
  const command = parseCommandLine("exporter", [...args, "app"], env, { cores: 1, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  return (await resolveSettings(command, { env, cwd }, new RecordingLogger())).settings;
}

test.each([
  [["-daemon"], "-daemon (CNB_USE_DAEMON)"],
  [["-daemon", "-launch-cache", "/l"], "-daemon (CNB_USE_DAEMON)"],
])("%j is not available yet", async (args, input) => {
  const settings = await settingsOf(args);
  expect(thrownBy(() => refuseUnsupported(settings))).toMatchObject({
    message: `failed to resolve inputs: ${input} is not available yet`,
    exitCode: 3,
  });
});

test.each([
  [[]],
  [["-launch-cache", "/l"]],
  [["-layout", "-layout-dir", "/l"]],
  [["-cache-image", "cache"]],
  [["-cache-dir", "/c"]],
])("%j is available", async (args) => {
  refuseUnsupported(await settingsOf(args));
});

describe("a run image extended by image extensions", () => {
  const runImage = (extend: boolean) => ({ reference: "run", image: "", extend });
  const analyzed = { previousImage: "", metadata: planInputs().previous };

  test.each([
    ["with layers", { "extended/run/x": "" }, runImage(false)],
    ["whose config was replaced", {}, runImage(true)],
  ])("%s is not available yet", async (_name, files, found) => {
    const settings = { ...(await settingsOf([])), extendedDir: tempTree(files).concat("/extended") };
    expect(await rejectionOf(refuseExtensions(settings, { ...analyzed, runImage: found }))).toMatchObject({
      exitCode: 3,
    });
  });

  test("is none with an empty directory", async () => {
    const settings = { ...(await settingsOf([])), extendedDir: tempTree() };
    await refuseExtensions(settings, { ...analyzed, runImage: runImage(false) });
  });
});
