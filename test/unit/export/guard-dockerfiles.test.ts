import { describe, expect, test } from "vitest";
import { guardDockerfiles } from "../../../src/export/prepare.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { initialSettings, withTuning } from "../../../src/inputs/settings.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

function settingsOf(api: string, extendedDir: string, mode: string) {
  const env = { CNB_PLATFORM_API: api, CNB_EXTENDED_DIR: extendedDir, CNB_EXPERIMENTAL_MODE: mode };
  const command = parseCommandLine("exporter", ["app"], env, { cores: 1, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(command.kind);
  return withTuning(initialSettings(command, { env, cwd: "/" }), command, "/", new RecordingLogger());
}

describe("the guard on extensions", () => {
  const line = "Platform requested experimental feature 'Dockerfiles'";
  test.each([
    ["0.12", "run/sha256/", "warn", [`warn ${line}`]],
    ["0.12", "run/sha256/", "quiet", []],
    ["0.12", "run/", "error", []],
    ["0.12", "build/", "error", []],
    ["0.13", "run/sha256/", "error", []],
  ])("API %s, %j, %s", async (api, path, mode, lines) => {
    const logger = new RecordingLogger();
    await guardDockerfiles(settingsOf(api, tempTree({ [path]: "" }), mode), logger);
    expect(logger.lines).toEqual(lines);
  });

  test("refuses by default", async () => {
    const logger = new RecordingLogger();
    const settings = settingsOf("0.12", tempTree({ "run/x/": "" }), "error");
    expect(await rejectionOf(guardDockerfiles(settings, logger))).toMatchObject({
      message: "experimental features are disabled by CNB_EXPERIMENTAL_MODE=error",
      exitCode: 1,
    });
    expect(logger.lines).toEqual([`error ${line}`]);
  });
});
