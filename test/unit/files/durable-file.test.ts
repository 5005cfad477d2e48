import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  copyDurably,
  replaceDurably,
  replaceFile,
  syncDirectory,
  writeDurably,
} from "../../../src/files/durable-file.ts";
import { applyBuiltinMocks } from "../../support/builtin-mocks.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

test("a file is replaced despite an earlier process's leftover under the temporary name", async () => {
  const directory = tempTree();
  const [path, temporary] = [join(directory, "file"), join(directory, "temporary")];
  writeFileSync(path, "old");
  writeFileSync(temporary, "a longer half of something");
  await replaceDurably(path, "new", temporary, { mode: 0o640 });
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
  expect(readdirSync(directory)).toEqual(["file"]);
});

test.each(["works", "is refused"])(
  "a copy has the contents and the mode if the system's copying %s",
  async (copying) => {
    const [from, to] = [join(tempTree({ from: "contents" }), "from"), join(tempTree(), "to")];
    const refusal = Object.assign(new Error("EPERM"), { code: "EPERM", syscall: "copyfile", errno: -1 });
    if (copying === "is refused") vi.spyOn(promises, "copyFile").mockRejectedValueOnce(refusal);
    applyBuiltinMocks();
    await copyDurably(from, to, { exactMode: 0o600 });
    expect(readFileSync(to, "utf8")).toBe("contents");
    expect(statSync(to).mode & 0o777).toBe(0o600);
  },
);

test("a file that cannot be replaced stays, without leftovers", async () => {
  const directory = tempTree();
  await expect(replaceDurably(directory, "new", join(directory, "temporary"))).rejects.toMatchObject({
    syscall: "rename",
  });
  expect(readdirSync(directory)).toEqual([]);
});

test("a clean-up that fails does not hide the error of the replacement", async () => {
  const directory = tempTree();
  const { rm } = promises;
  const failure = new Error("clean-up");
  vi.spyOn(promises, "rm").mockImplementationOnce(rm).mockRejectedValueOnce(failure);
  applyBuiltinMocks();
  await expect(replaceDurably(directory, "new", join(directory, "temporary"))).rejects.toMatchObject({
    syscall: "rename",
  });
});

test.each([
  { removals: 3, result: "replaces a file although others remove its temporary file" },
  { removals: Number.POSITIVE_INFINITY, result: "gives up if its temporary file is always removed" },
])("$result", async ({ removals }) => {
  const path = join(tempTree(), "file");
  const { rename } = promises;
  let renames = 0;
  vi.spyOn(promises, "rename").mockImplementation(async (from, to) => {
    if (renames++ < removals) rmSync(from);
    await rename(from, to);
  });
  applyBuiltinMocks();
  const outcome = replaceFile(path, "new");
  if (Number.isFinite(removals)) await outcome;
  else await expect(outcome).rejects.toMatchObject({ code: "ENOENT", syscall: "rename" });
  expect(readdirSync(join(path, ".."))).toEqual(Number.isFinite(removals) ? ["file"] : []);
});

test("a stream is written", async () => {
  const path = join(tempTree(), "file");
  await writeDurably(
    path,
    (async function* () {
      yield Buffer.from("a");
      yield Buffer.from("b");
    })(),
  );
  expect(readFileSync(path, "utf8")).toBe("ab");
});

test("syncing a directory succeeds on procfs, and fails for a missing directory", async () => {
  await syncDirectory("/proc/self");
  await expect(syncDirectory("/none")).rejects.toMatchObject({ code: "ENOENT" });
});
