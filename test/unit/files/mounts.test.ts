import { expect, test } from "vitest";
import { parseMounts } from "../../../src/files/mounts.ts";

test.each([
  [
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
    { id: "36", device: "98:0", mountPoint: "/mnt2", type: "ext3" },
  ],
  ["7 1 0:9 / / rw - tmpfs  rw", { id: "7", device: "0:9", mountPoint: "/", type: "tmpfs" }],
  [
    "8 1 0:9 / /a\\040b\\134\\011 rw shared:2 master:1 - overlay none rw,lowerdir=/x - y ",
    { id: "8", device: "0:9", mountPoint: "/a b\\\t", type: "overlay" },
  ],
])("parses %s", (line, mount) => {
  expect(parseMounts(Buffer.from(`${line}\n`))).toEqual([mount]);
});
