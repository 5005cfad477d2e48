import { expect, test } from "vitest";
import { goValue } from "../../../src/go/format.ts";
import { redactUrl, responseFault, retryAfterMs } from "../../../src/http/faults.ts";

const URL_ = new URL("https://reg.example/v2/a/manifests/latest");
const errors = (...list: object[]) => JSON.stringify({ errors: list });

test.each([
  [
    404,
    errors({ code: "MANIFEST_UNKNOWN", message: "manifest unknown", detail: { Tag: "latest" } }),
    "MANIFEST_UNKNOWN: manifest unknown; map[Tag:latest]",
    false,
  ],
  [404, errors({ code: "NAME_UNKNOWN" }), "NAME_UNKNOWN: ", false],
  [
    400,
    errors({ code: "A", message: "b" }, { code: "C", message: "d" }),
    "multiple errors returned: A: b; C: d",
    false,
  ],
  [400, errors({ code: "BLOB_UPLOAD_INVALID", message: "x" }), "BLOB_UPLOAD_INVALID: x", true],
  [
    400,
    errors({ code: "UNKNOWN", message: "x" }, { code: "DENIED", message: "y" }),
    "multiple errors returned: UNKNOWN: x; DENIED: y",
    false,
  ],
  [401, errors({ code: "UNKNOWN", message: "x" }), "UNKNOWN: x", false],
  [404, "", "unexpected status code 404 Not Found", false],
  [413, "<html>", "unexpected status code 413 Request Entity Too Large: <html>", false],
  [429, "", "unexpected status code 429 Too Many Requests", true],
  [500, '{"errors":"no"}', 'unexpected status code 500 Internal Server Error: {"errors":"no"}', true],
  [522, "", "unexpected status code 522 ", true],
])("%i %s", (status, body, text, isTemporary) => {
  const fault = responseFault({ method: "GET", url: URL_, status, body, retryAfter: undefined });
  expect(fault.message).toBe(`GET ${URL_}: ${text}`);
  expect(fault.isTemporary).toBe(isTemporary);
});

test("a date in Retry-After is relative to the server's clock", () => {
  const [date, retryAfter] = ["Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2001 00:01:00 GMT"];
  const fault = responseFault({ method: "GET", url: URL_, status: 429, body: "", retryAfter, date });
  expect(fault.retryAfterMs).toBe(60_000);
});

test.each([
  [408, true],
  [409, false],
  [412, false],
  [423, true],
  [425, true],
  [501, false],
  [505, false],
  [520, true],
  [529, true],
  [599, true],
])("%i is temporary: %s", (status, isTemporary) => {
  const fault = responseFault({ method: "PUT", url: URL_, status, body: "", retryAfter: undefined });
  expect(fault.isTemporary).toBe(isTemporary);
});

test("the fault of a HEAD request explains why it has no details", () => {
  expect(responseFault({ method: "HEAD", url: URL_, status: 403, body: "", retryAfter: undefined }).message).toBe(
    `HEAD ${URL_}: unexpected status code 403 Forbidden (HEAD responses have no body, use GET for details)`,
  );
});

test.each([
  ["https://s3.example/x#s3cret", "https://s3.example/x"],
  ["https://r/v2/?digest=sha256:a&from=b&_state=s3cret", "https://r/v2/?digest=sha256%3Aa&from=b&_state=REDACTED"],
  [
    "https://u:s3cret@s3.example/x?X-Amz-Signature=s3cret&X-Amz-Signature=again",
    "https://u:xxxxx@s3.example/x?X-Amz-Signature=REDACTED",
  ],
])("%s is shown as %s", (url, shown) => {
  expect(redactUrl(new URL(url))).toBe(shown);
});

test.each([
  ["7", 7000],
  [" 0 ", 0],
  ["Thu, 01 Jan 1970 00:00:12 GMT", 2000],
  ["Thu, 01 Jan 1970 00:00:01 GMT", 0],
  ["-1", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  [undefined, undefined],
])("Retry-After: %s", (value, expected) => {
  expect(retryAfterMs(value, 10_000)).toBe(expected);
});

test.each([
  [null, "<nil>"],
  ["text", "text"],
  [12, "12"],
  [-1.5, "-1.5"],
  [999999, "999999"],
  [1000000, "1e+06"],
  [123456789, "1.23456789e+08"],
  [0.0001, "0.0001"],
  [-1e-7, "-1e-07"],
  [true, "true"],
  [["a", 1], "[a 1]"],
  [{ b: 1, a: { c: null } }, "map[a:map[c:<nil>] b:1]"],
])("%j as Go prints it", (value, text) => {
  expect(goValue(value)).toBe(text);
});

test("truncates deeply nested details, and caps waits", () => {
  const body = `{"errors":[{"code":"X","detail":${"[".repeat(900)}${"]".repeat(900)}}]}`;
  const { message } = responseFault({ method: "GET", url: URL_, status: 400, retryAfter: undefined, body });
  expect(message).toMatch(/X: ; \[{51}\.\.\.\]{51}$/);
  expect(retryAfterMs("9".repeat(400), 0)).toBe(Number.MAX_SAFE_INTEGER);
});
