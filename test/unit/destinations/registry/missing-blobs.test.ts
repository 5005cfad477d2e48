import { expect, test } from "vitest";
import { type MissingBlobs, missingBlobs } from "../../../../src/destinations/registry/blobs.ts";
import { responseFault } from "../../../../src/http/faults.ts";
import type { Digest } from "../../../../src/oci/digest.ts";

const digestOf = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const [config, first, second] = [digestOf("c"), digestOf("1"), digestOf("2")];
const named = (...digests: readonly Digest[]): MissingBlobs => ({ digests, areNamed: true });
const described = (digest: Digest) => ({ mediaType: "", size: 1, digest });
const IMAGE = { configDescriptor: described(config), layers: [described(first), described(second)] };
const ANY = { digests: [config, first, second], areNamed: false };

function refused(...errors: readonly object[]) {
  const url = new URL("https://reg.example/v2/app/manifests/latest");
  return responseFault({ method: "PUT", url, status: 400, retryAfter: undefined, body: JSON.stringify({ errors }) });
}

test.each<[string, unknown, MissingBlobs | undefined]>([
  ["distribution's", refused({ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown", detail: first }), named(first)],
  ["an object's", refused({ code: "MANIFEST_BLOB_UNKNOWN", detail: { digest: second } }), named(second)],
  ["a sentence's", refused({ code: "BLOB_UNKNOWN", message: `no blob ${config} here` }), named(config)],
  [
    "several",
    refused({ code: "MANIFEST_BLOB_UNKNOWN", detail: second }, { code: "MANIFEST_BLOB_UNKNOWN", detail: first }),
    named(first, second),
  ],
  ["no", refused({ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown" }), ANY],
  ["another image's", refused({ code: "MANIFEST_BLOB_UNKNOWN", detail: `sha256:${"9".repeat(64)}` }), ANY],
  ["another error's", refused({ code: "MANIFEST_INVALID", detail: first }), undefined],
  ["no registry's", new Error(`MANIFEST_BLOB_UNKNOWN ${first}`), undefined],
])("%s digests", (_name, error, expected) => {
  expect(missingBlobs(error, IMAGE)).toEqual(expected);
});
