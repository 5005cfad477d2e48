import { expect, test } from "vitest";
import { checkBuildpackApis } from "../../../src/cnb/api.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const element = (api: string) => ({ id: "samples/java", version: "0.1.0", api });

test("accepts every supported API", () => {
  checkBuildpackApis(["0.7", "0.8", "v0.9", "0.10", "0.11", "0.12"].map(element));
});

test.each([
  ["", "failed to parse buildpack API '' for buildpack 'samples/java@0.1.0'"],
  ["x", "failed to parse buildpack API 'x' for buildpack 'samples/java@0.1.0'"],
  [
    "0.6",
    "failed to set API for Buildpack 'samples/java@0.1.0': buildpack API version '0.6' is incompatible with the lifecycle",
  ],
  [
    "0.13",
    "failed to set API for Buildpack 'samples/java@0.1.0': buildpack API version '0.13' is incompatible with the lifecycle",
  ],
])("refuses %j with exit code 12", (api, message) => {
  expect(thrownBy(() => checkBuildpackApis([element("0.10"), element(api)]))).toMatchObject({ message, exitCode: 12 });
});
