import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ensureOwner } from "../../../src/process/privileges.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { thrownBy } from "../../support/thrown-by.ts";

test.each([
  [2 ** 32, 0],
  [54_321, 2 ** 32],
  [-2, 0],
])("a directory cannot be given to user %d and group %d, which the kernel does not have", (uid, gid) => {
  const directory = tempTree();
  expect(thrownBy(() => ensureOwner(uid, gid, [directory]))).toMatchObject({
    code: "EXPORT_PRIVILEGES",
    message: `failed to chown volumes: chown ${directory}: invalid argument`,
    hint: "Give ids from 0 to 4294967294 with -uid and -gid (CNB_USER_ID, CNB_GROUP_ID).",
  });
});

test.each([
  ["file", (path: string) => writeFileSync(path, ""), "open", "not a directory"],
  ["link to itself", (path: string) => symlinkSync(path, path), "stat", "too many levels of symbolic links"],
])("a %s in place of a cache directory is no lack of privileges", (_, make, operation, reason) => {
  const path = join(tempTree(), "cache");
  make(path);
  expect(thrownBy(() => ensureOwner(54_321, 54_321, [path]))).toMatchObject({
    code: "EXPORT_SYSTEM",
    message: `failed to chown volumes: ${operation} ${path}: ${reason}`,
  });
});
