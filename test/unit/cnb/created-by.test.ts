import { expect, it } from "vitest";
import { createdByBuildpack, createdBySlice, extensionOf } from "../../../src/cnb/names.ts";

it("names layer and buildpack", () => {
  expect(createdByBuildpack("jdk", { id: "samples/java", version: "0.1.0" })).toBe(
    "Layer: 'jdk', Created by buildpack: samples/java@0.1.0",
  );
});

it("numbers app layers only when there are slices", () => {
  expect(createdBySlice(1, 1)).toBe("Application Layer");
  expect([1, 2].map((number) => createdBySlice(number, 2))).toEqual(["Application Slice: 1", "Application Slice: 2"]);
});

it.each([
  ["Layer: 'RUN apt', Created by extension: samples/apt", "samples/apt"],
  ["Layer: 'RUN echo \", Created by extension: no'\n', Created by extension: a", "a"],
  ["Layer: 'x', Created by buildpack: a@1", undefined],
  ["RUN apt", undefined],
  ["", undefined],
])("finds the extension in %j", (createdBy, extension) => {
  expect(extensionOf(createdBy)).toBe(extension);
});
