import { expect, test } from "vitest";
import { configOf, inspectType } from "../../../../src/destinations/daemon/images.ts";
import { decodeFirst } from "../../../../src/go/json-decode.ts";

test.each(["Tty", "Hostname", "Domainname", "Image", "NetworkDisabled", "MacAddress"])(
  "Config.%s of a daemon's image is not read, and may be of any type",
  (member) => {
    const document = JSON.stringify({ Id: "a".repeat(64), Config: { User: "web", [member]: ["odd"] } });
    const inspect = decodeFirst(document, inspectType);
    expect(inspect).toMatchObject({ ok: true });
    if (inspect.ok) expect(configOf(inspect.value, []).config).toMatchObject({ User: "web", Tty: false, Hostname: "" });
  },
);

test("a member of Config that has the wrong type is named", () => {
  const document = JSON.stringify({ Id: "a".repeat(64), Config: { Healthcheck: { Test: "curl" } } });
  expect(decodeFirst(document, inspectType)).toEqual({
    ok: false,
    problem: "expected array, got string at Config.Healthcheck.Test",
  });
});
