import { expect, test } from "vitest";
import { isPrivateAddress } from "../../../src/transport/private-address.ts";
import { proxyFor } from "../../../src/transport/proxy-rules.ts";
import { isOnRegistry, resolveLocation } from "../../../src/transport/registry-host.ts";

const PROXIES = { HTTP_PROXY: "http://plain:1", HTTPS_PROXY: "secure:2" };

test.each([
  ["http://reg.example/", "", "http://plain:1/"],
  ["https://reg.example/", "", "http://secure:2/"],
  ["https://localhost:5000/", "", undefined],
  ["https://127.1.2.3/", "", undefined],
  ["https://[::1]:5000/", "", undefined],
  ["https://reg.example/", "*", undefined],
  ["https://reg.example/", "other, reg.example", undefined],
  ["https://a.reg.example/", "reg.example", undefined],
  ["https://areg.example/", "reg.example", "http://secure:2/"],
  ["https://reg.example/", ".reg.example", "http://secure:2/"],
  ["https://a.reg.example/", "*.REG.example", undefined],
  ["https://reg.example/", "reg.example:443", undefined],
  ["https://reg.example:5000/", "reg.example:443", "http://secure:2/"],
  ["https://10.2.3.4/", "10.0.0.0/8", undefined],
  ["https://11.2.3.4/", "10.0.0.0/8", "http://secure:2/"],
  ["https://10.2.3.4/", "10.0.0.0/99", "http://secure:2/"],
  ["https://[fd00::1]/", "fd00::/8", undefined],
  ["https://[fd00::1]/", "fd00::1", undefined],
])("%s with NO_PROXY=%s", (url, noProxy, proxy) => {
  expect(proxyFor(new URL(url), { ...PROXIES, NO_PROXY: noProxy })?.href).toBe(proxy);
});

test("HTTP_PROXY is not for https, and lower case counts", () => {
  expect(proxyFor(new URL("https://r/"), { HTTP_PROXY: "http://plain:1" })).toBeUndefined();
  expect(proxyFor(new URL("http://r/"), { http_proxy: "http://plain:1" })?.href).toBe("http://plain:1/");
});

test.each([
  ["http://169.254.169.254/", true],
  ["http://10.0.0.1/", true],
  ["http://172.31.0.1/", true],
  ["http://172.32.0.1/", false],
  ["http://0.0.0.0/", true],
  ["http://[fd00:ec2::254]/", true],
  ["http://[fe80::1]/", true],
  ["http://[::ffff:10.0.0.1]/", true],
  ["http://8.8.8.8/", false],
  ["http://metadata.internal/", false],
])("%s is private: %s", (url, isPrivate) => {
  expect(isPrivateAddress(new URL(url))).toBe(isPrivate);
});

test.each([
  ["https://reg.example/x", "reg.example", true],
  ["https://reg.example:443/x", "reg.example", true],
  ["http://reg.example/x", "reg.example", true],
  ["http://reg.example/x", "reg.example:443", true],
  ["https://reg.example:8443/x", "reg.example", false],
  ["https://cdn.example/x", "reg.example", false],
  ["https://[::1]:5000/x", "[::1]:5000", true],
  ["https://[::1]/x", "[::1]", true],
])("%s is on the registry %s: %s", (url, registry, isThere) => {
  expect(isOnRegistry(new URL(url), registry, "https:")).toBe(isThere);
});

test.each([
  ["/v2/x?_state=a%2Fb", "https://reg.example/v2/x?_state=a%2Fb"],
  ["http://reg.example/v2/x", "https://reg.example/v2/x"],
  ["http://storage.example/x", "http://storage.example/x"],
  ["file:///etc/passwd", undefined],
  ["http://", undefined],
])("a Location %s leads to %s", (location, url) => {
  const base = new URL("https://reg.example/v2/a/blobs/uploads/");
  expect(resolveLocation(location, base, "reg.example", "https:")?.href).toBe(url);
});
