import { describe, expect, it } from "vitest";
import { type ProjectMetadata, projectMetadataLabel } from "../../../src/cnb/project-metadata.ts";

describe("projectMetadataLabel", () => {
  it.each<[string, ProjectMetadata["source"], string]>([
    ["no source", undefined, "{}"],
    ["an empty source", { type: "", version: {}, metadata: {} }, '{"source":{}}'],
    [
      "everything",
      { type: "git", version: { describe: "v1", commit: "abc" }, metadata: { refs: ["main"], a: { c: 1, b: 2 } } },
      '{"source":{"type":"git","version":{"commit":"abc","describe":"v1"},"metadata":{"a":{"b":2,"c":1},"refs":["main"]}}}',
    ],
  ])("writes %s", (_, source, expected) => {
    expect(projectMetadataLabel({ source })).toBe(expected);
  });
});
