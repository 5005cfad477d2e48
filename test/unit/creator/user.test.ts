import { join } from "node:path";
import { expect, test } from "vitest";
import { lookUpUser } from "../../../src/creator/user.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
# cnb:x:1000:1000::/commented:/bin/sh
cnb:x:1000:1000:Full Name,,,:/home/cnb:/bin/bash
other:x:1000:7::/home/other:/bin/bash
bare:x:5
`;

test.each([
  { uid: 0, expected: { HOME: "/root", USER: "root" } },
  { uid: 1000, expected: { HOME: "/home/cnb", USER: "cnb" } },
  { uid: 5, expected: { HOME: "", USER: "bare" } },
  { uid: 1234, expected: { HOME: "/h", USER: "u" } },
])("HOME and USER of $uid", ({ uid, expected }) => {
  const database = join(tempTree({ passwd: PASSWD }), "passwd");
  expect(lookUpUser(uid, 7, { HOME: "/h", USER: "u" }, database)).toEqual({ uid, gid: 7, environment: expected });
});

test("an unlisted user needs HOME and USER in the environment", () => {
  const database = join(tempTree({ passwd: PASSWD }), "passwd");
  expect(thrownBy(() => lookUpUser(1234, 7, { HOME: "/h" }, database))).toMatchObject({
    message: "failed to set environment for user 1234: user: unknown userid 1234",
    exitCode: 1,
  });
});

test("reports a missing user database", () => {
  const database = join(tempTree(), "passwd");
  const message = `failed to set environment for user 1: open ${database}: no such file or directory`;
  expect(thrownBy(() => lookUpUser(1, 1, {}, database))).toMatchObject({ message });
});
