import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import {
  makeWorkDirectory,
  removeWorkDirectory,
  workPath,
} from "../../../../src/destinations/layout/work-directory.ts";
import { temporaryDirectory } from "../../temporary-directory.ts";

/** When a process was started, in clock ticks (proc(5)); its name has a space and a parenthesis. */
function startOf(pid: number): string {
  return (
    readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")[19] ?? ""
  );
}

test("those of processes that are gone are removed, with what is in them, and nothing else", async () => {
  const layout = temporaryDirectory();
  const living = spawn("/bin/sh", ["-c", 'exec -a "a b) c" sleep 60'], { stdio: "ignore" });
  try {
    await once(living, "spawn");
    const pid = Number(living.pid);
    const kept = [`.making-${pid}-${startOf(pid)}`, "blobs", ".making"];
    const gone = [".making-4194305-1", `.making-${pid}-1`, `.making-${process.pid}-1`, ".making-", ".making-x"];
    for (const name of [...kept, ...gone]) {
      mkdirSync(join(layout, name));
      writeFileSync(join(layout, name, "half a layer"), "");
    }
    await makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE");
    const own = basename(workPath(layout));
    expect(readdirSync(layout).sort()).toEqual([...kept, own].sort());
    expect(own).toBe(`.making-${process.pid}-${startOf(process.pid)}`);
    removeWorkDirectory(layout);
    expect(readdirSync(layout).sort()).toEqual(kept.sort());
  } finally {
    living.kill();
  }
});

test("the last one in this process who needs it removes it", async () => {
  const layout = temporaryDirectory();
  for (let times = 0; times < 2; times++) await makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE");
  removeWorkDirectory(layout);
  expect(readdirSync(layout)).toHaveLength(1);
  removeWorkDirectory(layout);
  expect(readdirSync(layout)).toEqual([]);
});

test("one that cannot be made is named", async () => {
  const layout = join(temporaryDirectory(), "file");
  writeFileSync(layout, "");
  await expect(makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE")).rejects.toMatchObject({
    code: "EXPORT_LAYOUT_CREATE",
    message: `mkdir ${layout}: not a directory`,
  });
});
