import { describe, expect, it } from "vitest";
import type { Process } from "../../../src/cnb/build-metadata.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { chooseEntrypoint } from "../../../src/images/app-image.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const WEB: Process = {
  type: "web",
  command: null,
  args: null,
  direct: true,
  default: false,
  buildpackId: "",
  workingDir: "",
  execEnv: [],
};

describe("chooseEntrypoint", () => {
  it.each([
    ["the user's type", "web", "other", "/cnb/process/web", "info Setting default process type 'web'"],
    ["the buildpacks' unchecked", "", "other", "/cnb/process/other", "info Setting default process type 'other'"],
    ["the buildpacks' cleaned", "", "../x", "/cnb/x", "info Setting default process type '../x'"],
    ["the launcher", "", "", "/cnb/lifecycle/launcher", "info no default process type"],
  ])("chooses %s", (_, requested, defaultProcessType, expected, line) => {
    const logger = new RecordingLogger();
    expect(chooseEntrypoint(requested, { processes: [WEB], defaultProcessType }, logger)).toBe(expected);
    expect(logger.lines).toEqual([line]);
  });

  it.each([
    ["no types", null, "Leave out -process-type (CNB_PROCESS_TYPE): the build has no process types."],
    ["others", [WEB], "Give one of the known process types with -process-type (CNB_PROCESS_TYPE): web."],
  ])("refuses a type if there are %s", (_, processes, hint) => {
    const error = thrownBy(() =>
      chooseEntrypoint("x", { processes, defaultProcessType: "web" }, new RecordingLogger()),
    );
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({
      message: "determining entrypoint: tried to set x to default but it doesn't exist",
      hint,
    });
  });
});
