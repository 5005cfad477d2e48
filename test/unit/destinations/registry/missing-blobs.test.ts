import { expect, test } from "vitest";
import { missingBlobs } from "../../../../src/destinations/registry/blobs.ts";
import { responseFault } from "../../../../src/http/faults.ts";
import type { Digest } from "../../../../src/oci/digest.ts";

const [config, first, second] = ["c", "1", "2"].map((digit) => `sha256:${digit.repeat(64)}` as Digest);
const described = (digest = "" as Digest) => ({ mediaType: "", size: 1, digest });
const IMAGE = { configDescriptor: described(config), layers: [described(first), described(second)] };
const ALL = [config, first, second];

function refused(...errors: readonly object[]) {
  const url = new URL("https://reg.example/v2/app/manifests/latest");
  return responseFault({ method: "PUT", url, status: 400, retryAfter: undefined, body: JSON.stringify({ errors }) });
}

test.each<[string, unknown, readonly (Digest | undefined)[] | undefined]>([
  ["distribution's", refused({ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown", detail: first }), [first]],
  ["an object's", refused({ code: "MANIFEST_BLOB_UNKNOWN", detail: { digest: second } }), [second]],
  ["a sentence's", refused({ code: "BLOB_UNKNOWN", message: `no blob ${config} here` }), [config]],
  [
    "several",
    refused({ code: "MANIFEST_BLOB_UNKNOWN", detail: second }, { code: "MANIFEST_BLOB_UNKNOWN", detail: first }),
    [first, second],
  ],
  ["no", refused({ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown" }), ALL],
  ["another image's", refused({ code: "MANIFEST_BLOB_UNKNOWN", detail: `sha256:${"9".repeat(64)}` }), ALL],
  ["another error's", refused({ code: "MANIFEST_INVALID", detail: first }), undefined],
  ["no registry's", new Error(`MANIFEST_BLOB_UNKNOWN ${first}`), undefined],
])("%s digests", (_name, error, expected) => {
  expect(missingBlobs(error, IMAGE)).toEqual(expected);
});
