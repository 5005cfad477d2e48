import { expect, test } from "vitest";
import { isLocalRegistry } from "../../../src/oci/reference.ts";

test.each([
  ["localhost:5000", true],
  ["localhost", false],
  ["a.localhost", true],
  ["a.localhost:80", true],
  ["a.localhost:123456", false],
  ["localhost.example", false],
  ["127.0.0.1", true],
  ["127.0.0.1:5000", true],
  ["127.0.0.2:5000", false],
  ["::1", true],
  ["[::1]", true],
  ["[::1]:5000", true],
  ["[::2]:5000", false],
  ["10.1.2.3", true],
  ["10.1.2.3:443", true],
  ["11.1.2.3", false],
  ["172.15.0.1", false],
  ["172.16.0.1", true],
  ["172.31.255.255", true],
  ["172.32.0.1", false],
  ["192.168.7.8:5000", true],
  ["192.169.7.8", false],
  ["10.1.2.999", false],
  ["10.1.2.3.example", false],
  ["index.docker.io", false],
  ["registry.local", false],
])("%s may use http: %s", (registry, isLocal) => {
  expect(isLocalRegistry(registry)).toBe(isLocal);
});
