import { describe, expect, it } from "vitest";
import { parsePlatformApi } from "../../../src/cnb/api.ts";
import { appEnvironment } from "../../../src/images/app-image.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

const INPUTS = { layersDir: "/layers", appDir: "/workspace", platformApi: parsePlatformApi("v0.12") };
const OURS = [
  "CNB_LAYERS_DIR=/layers",
  "CNB_APP_DIR=/workspace",
  "CNB_PLATFORM_API=0.12",
  "CNB_DEPRECATION_MODE=quiet",
];

function environment(env: readonly string[], os = "linux"): string[] {
  return appEnvironment(env, os, INPUTS, new RecordingLogger());
}

describe("appEnvironment", () => {
  it("appends to an empty environment, and leaves the colon before an empty PATH", () => {
    expect(environment([])).toEqual([...OURS, "PATH=/cnb/process:/cnb/lifecycle:"]);
  });

  it("sets the first entry of a name in place", () => {
    expect(environment(["A=1", "PATH=/bin", "CNB_APP_DIR=/old", "PATH=/second", "path=/lower", "NOEQ"])).toEqual([
      "A=1",
      "PATH=/cnb/process:/cnb/lifecycle:/bin",
      "CNB_APP_DIR=/workspace",
      "PATH=/second",
      "path=/lower",
      "NOEQ",
      "CNB_LAYERS_DIR=/layers",
      "CNB_PLATFORM_API=0.12",
      "CNB_DEPRECATION_MODE=quiet",
    ]);
  });

  it("preserves a PATH with an equals sign", () => {
    expect(environment(["PATH=/a=b:/c"])[0]).toBe("PATH=/cnb/process:/cnb/lifecycle:/a=b:/c");
  });

  it("treats a name without a value as the variable", () => {
    expect(environment(["PATH"])[0]).toBe("PATH=/cnb/process:/cnb/lifecycle:");
  });

  it("ignores the case of names on windows only", () => {
    expect(environment(["Cnb_App_Dir=x"], "windows")).toContain("CNB_APP_DIR=/workspace");
    expect(environment(["Cnb_App_Dir=x"], "windows")).not.toContain("Cnb_App_Dir=x");
    expect(environment(["Cnb_App_Dir=x"])).toContain("Cnb_App_Dir=x");
  });

  it("logs each variable as the reference does", () => {
    const logger = new RecordingLogger();
    appEnvironment([], "linux", INPUTS, logger);
    expect(logger.lines).toEqual([
      ...OURS.map((entry) => `debug Setting ${entry}`),
      "debug Prepending /cnb/process and /cnb/lifecycle to PATH",
    ]);
  });
});
