import { describe, expect, test } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
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
    // A registry with an empty port, as in Go's net/url.
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

  test.each([
    ["registry.example/a", "at least 2 characters, e.g. registry.example/team/app"],
    ["a", "at least 2 characters, e.g. team/app"],
    ["registry.example/é", "Use lower-case letters, digits"],
    ["registry.example/", "at least 2 characters, e.g. registry.example/team/app"],
    ["", "the variable that it comes from may be empty"],
    ["registry.example/Team/App:v1", "lower-case letters in the repository, e.g. registry.example/team/app"],
    ["App", "lower-case letters in the repository, e.g. app"],
    ["app ", "Leave out blanks"],
    ["app:v1+2", "in a tag, 1 to 128 of them, e.g. app:1.0"],
    [`app:${"t".repeat(129)}`, "1 to 128"],
    [`registry.example/${"a".repeat(256)}`, "at most 255 characters; this one has 256"],
    ["app@sha256:12", "64 lower-case hex digits"],
    ["A", "Use lower-case letters in the repository, e.g. registry.example.com/team/app:1.0"],
    ["Team!", "Use lower-case letters in the repository, e.g. registry.example.com/team/app:1.0"],
    ["registry.example/a:v1", "at least 2 characters, e.g. registry.example/team/app"],
    ["reg.example:port/app", "host or host:port"],
    ["team/app!", "Use lower-case letters, digits"],
  ])("explains what is wrong with %j", (text, hint) => {
    expect(thrownBy(() => parseReference(text))).toMatchObject({ hint: expect.stringContaining(hint) });
  });

  const PARTS = {
    digest: {
      right: ["", `@${DIGEST}`],
      wrong: ["@sha256:12", `@${DIGEST.toUpperCase()}`, `@md5:${"0".repeat(32)}`, "@", `@${DIGEST}@${DIGEST}`],
    },
    registry: {
      right: ["", "reg.example/", "localhost:5000/"],
      wrong: ["reg.example:port/", "[::1/", "a:1:2/", "reg.exa%41mple/"],
    },
    repository: { right: ["team/app", "ab"], wrong: ["a", "", "Team/App", "App", "team/app!", "a".repeat(256)] },
    tag: { right: ["", ":v1"], wrong: [":", ":v+1", `:${"t".repeat(129)}`] },
  };
  type Part = keyof typeof PARTS;
  const NAMES: readonly Part[] = ["digest", "registry", "repository", "tag"];
  const HINTS: Readonly<Record<Part, RegExp>> = {
    digest: /^Write one digest after the name/,
    registry: /^Write the registry as host or host:port/,
    repository: /(?:^Use lower-case letters.* in|^Give) the repository/,
    tag: /in a tag, 1 to 128/,
  };

  function hintFor(text: string): string {
    const error = thrownBy(() => parseReference(text));
    return error instanceof Fault ? (error.hint ?? "") : String(error);
  }

  /** All references with right and wrong forms of the parts. */
  function references(wrong: readonly Part[]): string[] {
    const formsOf = (part: Part) => PARTS[part][wrong.includes(part) ? "wrong" : "right"];
    return formsOf("registry").flatMap((registry) =>
      formsOf("repository").flatMap((repository) =>
        formsOf("tag").flatMap((tag) => formsOf("digest").map((digest) => registry + repository + tag + digest)),
      ),
    );
  }

  const PAIRS = NAMES.flatMap((one, i) => NAMES.slice(i + 1).map((other) => [one, other]));

  test.each([...NAMES.map((name) => [name]), ...PAIRS].map((wrong) => ({ wrong, first: wrong[0] ?? "tag" })))(
    "with a wrong $wrong, the hint is about the $first",
    ({ wrong, first }) => {
      for (const text of references(wrong)) {
        const hint = hintFor(text);
        expect(hint, text).toMatch(HINTS[first]);
        const example = /, e\.g\. (\S+)\.$/.exec(hint)?.[1];
        if (example !== undefined) expect(() => parseReference(example), text).not.toThrow();
      }
    },
  );

  test("references whose parts are all right are accepted", () => {
    for (const text of references([])) expect(() => parseReference(text), text).not.toThrow();
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
