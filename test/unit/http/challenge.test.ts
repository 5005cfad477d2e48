import { expect, test } from "vitest";
import { parseChallenges } from "../../../src/http/challenge.ts";

test.each([
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      [
        "Bearer",
        { realm: "https://auth.docker.io/token", service: "registry.docker.io", scope: "repository:a/b:pull,push" },
      ],
    ],
  ],
  // Google Artifact Registry omits the service.
  ['Bearer realm="https://x/token"', [["Bearer", { realm: "https://x/token" }]]],
  // Nexus.
  ['BASIC realm="Sonatype Nexus Repository Manager"', [["BASIC", { realm: "Sonatype Nexus Repository Manager" }]]],
  [
    'Negotiate, Basic realm="r"',
    [
      ["Negotiate", {}],
      ["Basic", { realm: "r" }],
    ],
  ],
  [
    'Negotiate YWJj==, Bearer realm="r" , service=s',
    [
      ["Negotiate", {}],
      ["Bearer", { realm: "r", service: "s" }],
    ],
  ],
  ['Bearer Realm = "a \\"quoted\\" \\\\ text" ,service=""', [["Bearer", { realm: 'a "quoted" \\ text', service: "" }]]],
  ["Bearer realm=https://x:5000/token,service=s", [["Bearer", { realm: "https://x:5000/token", service: "s" }]]],
  ["Basic", [["Basic", {}]]],
  ['Digest realm="without an end', [["Digest", {}]]],
  ["", []],
  ['"nonsense"', []],
])("%s", (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected.map(([scheme, parameters]) => ({ scheme, parameters })));
});

test("parses several headers, and none", () => {
  expect(parseChallenges(["NTLM, Negotiate", "Basic"]).map(({ scheme }) => scheme)).toEqual([
    "NTLM",
    "Negotiate",
    "Basic",
  ]);
  expect(parseChallenges(undefined)).toEqual([]);
});
