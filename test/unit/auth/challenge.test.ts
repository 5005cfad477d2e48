import { expect, test } from "vitest";
import { parseChallenges, pickChallenge } from "../../../src/auth/challenge.ts";

test.each([
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      [
        "bearer",
        { realm: "https://auth.docker.io/token", service: "registry.docker.io", scope: "repository:a/b:pull,push" },
      ],
    ],
  ],
  // Google Artifact Registry omits the service.
  ['Bearer realm="https://x/token"', [["bearer", { realm: "https://x/token" }]]],
  // Nexus.
  ['BASIC realm="Sonatype Nexus Repository Manager"', [["basic", { realm: "Sonatype Nexus Repository Manager" }]]],
  [
    'Negotiate, Basic realm="r"',
    [
      ["negotiate", {}],
      ["basic", { realm: "r" }],
    ],
  ],
  [
    'Negotiate YWJj==, Bearer realm="r" , service=s',
    [
      ["negotiate", {}],
      ["bearer", { realm: "r", service: "s" }],
    ],
  ],
  ['Bearer Realm = "a \\"quoted\\" \\\\ text" ,service=""', [["bearer", { realm: 'a "quoted" \\ text', service: "" }]]],
  ["Bearer realm=https://x:5000/token,service=s", [["bearer", { realm: "https://x:5000/token", service: "s" }]]],
  ["Basic", [["basic", {}]]],
  ["", []],
  ['"nonsense"', []],
])("%s", (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected.map(([scheme, parameters]) => ({ scheme, parameters })));
});

test("parses several headers and picks a supported challenge", () => {
  const challenges = parseChallenges(["Negotiate", 'Digest realm="d"', 'Bearer realm="b"', 'Basic realm="a"']);
  expect(challenges).toHaveLength(4);
  expect(pickChallenge(challenges)).toEqual({ scheme: "bearer", parameters: { realm: "b" } });
  expect(pickChallenge(parseChallenges("Negotiate"))).toBeUndefined();
  expect(parseChallenges(undefined)).toEqual([]);
});
