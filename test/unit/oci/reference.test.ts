import { describe, expect, test } from "vitest";
import type { Digest } from "../../../src/oci/digest.ts";
import { parseReference, Repository } from "../../../src/oci/reference.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("parseReference", () => {
  test.each([
    ["app", "index.docker.io", "library/app", "index.docker.io/library/app:latest"],
    ["busybox:1.36", "index.docker.io", "library/busybox", "index.docker.io/library/busybox:1.36"],
    ["paketo/run", "index.docker.io", "paketo/run", "index.docker.io/paketo/run:latest"],
    ["docker.io/app", "index.docker.io", "library/app", "index.docker.io/library/app:latest"],
    ["index.docker.io/app", "index.docker.io", "library/app", "index.docker.io/library/app:latest"],
    ["docker.io/a/b:c", "index.docker.io", "a/b", "index.docker.io/a/b:c"],
    ["localhost/app", "localhost", "app", "localhost/app:latest"],
    ["localhost:5000/app", "localhost:5000", "app", "localhost:5000/app:latest"],
    ["localhost:5000/a/b:v1", "localhost:5000", "a/b", "localhost:5000/a/b:v1"],
    ["gcr.io/p/app:V_1.0-x", "gcr.io", "p/app", "gcr.io/p/app:V_1.0-x"],
    ["host:/app", "host:", "app", "host:/app:latest"],
    ["[::1]:5000/app", "[::1]:5000", "app", "[::1]:5000/app:latest"],
    ["/home/layout/app", "index.docker.io", "/home/layout/app", "index.docker.io//home/layout/app:latest"],
    // A registry with an empty port, as Go's net/url reads it too.
    ["https://reg.example/app", "https:", "/reg.example/app", "https://reg.example/app:latest"],
    [`app@${DIGEST}`, "index.docker.io", "library/app", `index.docker.io/library/app@${DIGEST}`],
    [`reg.example/app:v1@${DIGEST}`, "reg.example", "app", `reg.example/app@${DIGEST}`],
    [`reg.example:5000/app@${DIGEST}`, "reg.example:5000", "app", `reg.example:5000/app@${DIGEST}`],
    [`${"a".repeat(255)}:${"T".repeat(128)}`, "index.docker.io", `library/${"a".repeat(255)}`, undefined],
  ])("%s", (text, registry, path, name) => {
    const reference = parseReference(text);
    expect(reference.registry).toBe(registry);
    expect(reference.repository.path).toBe(path);
    if (name !== undefined) expect(reference.name).toBe(name);
    expect(String(reference)).toBe(text);
    expect(reference.repository.name).toBe(`${registry}/${path}`);
  });

  test.each([
    [""],
    ["a"],
    ["reg.example/a"],
    [":"],
    ["app:"],
    ["App"],
    ["app:v 1"],
    ["app:v+1"],
    ["reg.example/"],
    ["reg example.com/app"],
    ["user@reg.example/app"],
    ["reg.example:port/app"],
    ["a:1:2/app"],
    ["reg.exa%41mple/app"],
    [`${"a".repeat(256)}`],
    [`app:${"t".repeat(129)}`],
    [`app@${DIGEST.toUpperCase()}`],
    [`app@sha256:${"0".repeat(63)}`],
    [`app@sha512:${"0".repeat(128)}`],
    [`app@${DIGEST}@${DIGEST}`],
    [`@${DIGEST}`],
  ])("refuses %j", (text) => {
    expect(thrownBy(() => parseReference(text))).toMatchObject({
      code: "EXPORT_INPUT_REFERENCE",
      message: `could not parse reference: ${text}`,
    });
  });

  test("has a tag or a digest, never both", () => {
    expect(parseReference("app:v1")).toMatchObject({ tag: "v1", digest: undefined, identifier: "v1" });
    expect(parseReference(`app:v1@${DIGEST}`)).toMatchObject({ tag: undefined, digest: DIGEST, identifier: DIGEST });
  });
});

test("a repository names its manifests by digest", () => {
  const reference = new Repository("index.docker.io", "app").withDigest(DIGEST as Digest);
  expect(reference.name).toBe(`index.docker.io/library/app@${DIGEST}`);
  expect(String(reference)).toBe(reference.name);
});
