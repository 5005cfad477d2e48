import { expect, test } from "vitest";
import { parseCommandLine } from "../../../src/inputs/command-line.ts";
import { refuseUnsupported } from "../../../src/inputs/refuse-unsupported.ts";
import { resolveSettings } from "../../../src/inputs/resolve-settings.ts";
import { RecordingLogger } from "../recording-logger.ts";
import { tempTree } from "../temp-tree.ts";
import { thrownBy } from "../thrown-by.ts";

async function settingsOf(args: string[]) {
  const cwd = tempTree({ "analyzed.toml": '[run-image]\nreference="run"' });
  const env = { CNB_PLATFORM_API: "0.12", CNB_LAYERS_DIR: cwd, CNB_EXPERIMENTAL_MODE: "quiet" };
  const command = parseCommandLine("exporter", [...args, "app"], env, { cores: 1, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  return (await resolveSettings(command, { env, cwd }, new RecordingLogger())).settings;
}

test.each([[["-daemon", "-launch-cache", "/l"], "-launch-cache (CNB_LAUNCH_CACHE_DIR)"]])(
  "%j is not available yet",
  async (args, input) => {
    const settings = await settingsOf(args);
    expect(thrownBy(() => refuseUnsupported(settings))).toMatchObject({
      message: `failed to resolve inputs: ${input} is not available yet`,
      exitCode: 3,
    });
  },
);

test.each([
  [[]],
  [["-launch-cache", "/l"]],
  [["-daemon"]],
  [["-layout", "-layout-dir", "/l"]],
  [["-cache-image", "cache"]],
  [["-cache-dir", "/c"]],
])("%j is available", async (args) => {
  refuseUnsupported(await settingsOf(args));
});
