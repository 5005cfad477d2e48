import { expect, test } from "vitest";
import { parseIdentifier } from "../../../../src/destinations/layout/images.ts";
import { thrownBy } from "../../../support/thrown-by.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  ["/layout/run", "/layout/run"],
  ["/layout//a/../run/", "/layout/run"],
  ["relative/run", "relative/run"],
  ["./run", "run"],
  ["", "."],
  ["/", "/"],
  ["/Upper", "/Upper"],
])("%j is the path %j", (text, path) => {
  expect(parseIdentifier(`${text}@${DIGEST}`)).toEqual({ path, digest: DIGEST });
});

test.each([
  ["/x/y", "identifier /x/y does not have the format '[path]@[digest]'"],
  [`/x@y@${DIGEST}`, `identifier /x@y@${DIGEST} does not have the format '[path]@[digest]'`],
  ["/x@z", 'cannot parse hash: "z"'],
  ["/x@", 'cannot parse hash: ""'],
  ["/x@sha256:", 'cannot parse hash: "sha256:"'],
  ["/x@:12", 'cannot parse hash: ":12"'],
  ["/x@sha256:12", "wrong number of hex digits for sha256: 12"],
  ["/x@sha256:1Z", "found non-hex character in hash: Z"],
  ["/x@md5:aa", 'unsupported hash: "md5"'],
])("rejects %j", (text, message) => {
  expect(thrownBy(() => parseIdentifier(text))).toMatchObject({ code: "EXPORT_LAYOUT_IDENTIFIER", message });
});
