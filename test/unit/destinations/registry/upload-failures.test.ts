import { expect, test } from "vitest";
import {
  classifyFailure,
  type UploadFailure,
  UploadFailures,
} from "../../../../src/destinations/registry/upload-failures.ts";
import { Fault } from "../../../../src/errors/fault.ts";
import { responseFault } from "../../../../src/http/faults.ts";

function answered(status: number, code?: string) {
  const url = new URL("https://reg.example/v2/app/blobs/uploads/1");
  const body = code === undefined ? "" : JSON.stringify({ errors: [{ code }] });
  return responseFault({ method: "PATCH", url, status, retryAfter: undefined, body });
}

test.each<[string, unknown, fromStart: UploadFailure, resumed: UploadFailure]>([
  ["404 BLOB_UPLOAD_UNKNOWN", answered(404, "BLOB_UPLOAD_UNKNOWN"), "lost", "lost"],
  ["400 BLOB_UPLOAD_INVALID", answered(400, "BLOB_UPLOAD_INVALID"), "lost", "lost"],
  ["416", answered(416), "lost", "lost"],
  ["a proxy's 400", answered(400), "lost", "lost"],
  ["405", answered(405), "monolithic", "lost"],
  ["501", answered(501), "monolithic", "lost"],
  ["a proxy's 404", answered(404), "monolithic", "lost"],
  ["UNSUPPORTED", answered(400, "UNSUPPORTED"), "monolithic", "lost"],
  ["411", answered(411), "length", "lost"],
  ["400 DIGEST_INVALID", answered(400, "DIGEST_INVALID"), "other", "lost"],
  ["404 NAME_UNKNOWN", answered(404, "NAME_UNKNOWN"), "other", "lost"],
  ["413", answered(413), "other", "lost"],
  ["401", answered(401), "other", "other"],
  ["403", answered(403, "DENIED"), "other", "other"],
  ["429", answered(429), "other", "other"],
  ["500", answered(500), "other", "other"],
  ["what is not the registry's", new Fault("EXPORT_LAYER_CHANGED", "changed"), "other", "other"],
])("%s", (_name, error, fromStart, resumed) => {
  expect(classifyFailure(error, false)).toBe(fromStart);
  expect(classifyFailure(error, true)).toBe(resumed);
});

test("an upload is restarted four times in a row, and again after progress", () => {
  const failures = new UploadFailures();
  const lose = () => {
    failures.add(answered(404, "BLOB_UPLOAD_UNKNOWN"), { offset: 0, sent: 0, isResumed: false });
    return failures.last?.mayTryAgain;
  };
  const restarts = [true, true, true, true, false];
  expect(restarts.map(lose)).toEqual(restarts);
  failures.onProgress();
  expect(restarts.map(lose)).toEqual(restarts);
});
