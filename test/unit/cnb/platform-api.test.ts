import { describe, expect, test } from "vitest";
import {
  formatApiVersion,
  gates,
  type PlatformGate,
  parsePlatformApi,
  SUPPORTED_PLATFORM_APIS,
} from "../../../src/cnb/api.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const MISSING =
  "failed to get platform API version; please set 'CNB_PLATFORM_API' to specify the desired platform API version";

describe("parsePlatformApi", () => {
  test.each([
    ["0.7", "0.7"],
    ["0.15", "0.15"],
    ["v0.12", "0.12"],
    ["012", undefined],
    ["0.012", "0.12"],
  ])("reads %j", (raw, normalized) => {
    if (normalized === undefined) expect(() => parsePlatformApi(raw)).toThrow("is incompatible");
    else expect(formatApiVersion(parsePlatformApi(raw))).toBe(normalized);
  });

  test.each([
    [undefined, MISSING],
    ["", MISSING],
    [" \t", MISSING],
    ["bad", "failed to parse platform API 'bad'"],
    [" 0.12", "failed to parse platform API ' 0.12'"],
    ["0.12.1", "failed to parse platform API '0.12.1'"],
    ["0.12\n", "failed to parse platform API '0.12\\n'"],
    ["0.18446744073709551616", "failed to parse platform API '0.18446744073709551616'"],
    ["0.6", "failed to set platform API: platform API version '0.6' is incompatible with the lifecycle"],
    ["v0", "failed to set platform API: platform API version 'v0' is incompatible with the lifecycle"],
    ["1.0", "failed to set platform API: platform API version '1.0' is incompatible with the lifecycle"],
    ["0.16", "failed to set platform API: platform API version '0.16' is incompatible with the lifecycle"],
  ])("refuses %j with exit code 11", (raw, message) => {
    expect(thrownBy(() => parsePlatformApi(raw))).toMatchObject({ message, exitCode: 11 });
  });
});

test("gates open at the reference's API and stay open", () => {
  const firstOf = (gate: PlatformGate) => SUPPORTED_PLATFORM_APIS.find((api) => gates(parsePlatformApi(api))[gate]);
  expect(Object.keys(gates({ major: 0, minor: 7 })).map((gate) => [gate, firstOf(gate as PlatformGate)])).toEqual([
    ["hasSbomLayers", "0.8"],
    ["honorsSourceDateEpoch", "0.9"],
    ["omitsBom", "0.9"],
    ["hasCommandArray", "0.10"],
    ["copiesSboms", "0.11"],
    ["hasLauncherSbomFlag", "0.11"],
    ["readsRunToml", "0.12"],
    ["hasRunImageNames", "0.12"],
    ["keepsHistory", "0.12"],
    ["hasExtensions", "0.12"],
    ["hasLayoutFlags", "0.12"],
    ["hasInsecureRegistryFlag", "0.13"],
    ["keepsOldCacheImage", "0.13"],
    ["allowsDockerfiles", "0.13"],
    ["hasExecEnvLabel", "0.15"],
    ["alwaysRestores", "0.10"],
    ["detectorReadsAnalyzed", "0.10"],
    ["hasBuildConfigFlag", "0.11"],
    ["builderReadsAnalyzed", "0.12"],
    ["restorerHasImageFlags", "0.12"],
    ["restorerReadsRunToml", "0.14"],
    ["hasSystemFlag", "0.15"],
  ]);
  expect(Object.values(gates({ major: 0, minor: 15 })).every((holds) => holds)).toBe(true);
});
