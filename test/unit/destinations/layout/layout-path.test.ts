import { expect, test } from "vitest";
import { layoutPath } from "../../../../src/destinations/layout/layout.ts";
import { parseReference } from "../../../../src/oci/reference.ts";

const HEX = "0123456789abcdef".repeat(4);

test.each([
  ["/layouts", "app", "/layouts/index.docker.io/library/app/latest"],
  ["/layouts/", "some/app:v1", "/layouts/index.docker.io/some/app/v1"],
  ["/layouts", "reg.example:5000/a/b/c:v1", "/layouts/reg.example:5000/a/b/c/v1"],
  ["/layouts", `reg.example/app@sha256:${HEX}`, `/layouts/reg.example/app/sha256/${HEX}`],
  ["/layouts", `reg.example/app:v1@sha256:${HEX}`, `/layouts/reg.example/app/sha256/${HEX}`],
  ["../x/./y", "app", "../x/y/index.docker.io/library/app/latest"],
  ["", "app", "index.docker.io/library/app/latest"],
])("in %j %j is at %j", (layoutDir, image, path) => {
  expect(layoutPath(layoutDir, parseReference(image))).toBe(path);
});
