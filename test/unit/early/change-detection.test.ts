import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { canShowChanges, hasWriter } from "../../../src/early/change-detection.ts";
import { distrustedFileSystem } from "../../../src/files/local-file-systems.ts";
import { findProgram } from "../../support/find-program.ts";
import { statFields } from "../../support/process-state.ts";
import { tempTree } from "../../support/temp-tree.ts";

describe("a stamp shows later changes", () => {
  const stamp = { digest: "", changedMs: 1_000_000, isSelfContained: true };

  test.each([
    ["long before the look", 1_005_000, true],
    ["two ticks of the slowest clock before it", 1_000_021, true],
    ["within those", 1_000_020, false],
    ["after it, or in a future that a clock set back left", 999_000, false],
  ])("if the last change was %s: %s", (_, lookMs, expected) => {
    expect(canShowChanges(stamp, lookMs)).toBe(expected);
  });

  test("not if files have names elsewhere, or were missing", () => {
    expect(canShowChanges({ ...stamp, isSelfContained: false }, 2_000_000)).toBe(false);
    expect(canShowChanges({ ...stamp, changedMs: Number.POSITIVE_INFINITY }, 2_000_000)).toBe(false);
  });
});

test("a file system in memory or of the kernel is not trusted", async () => {
  expect(await distrustedFileSystem("/proc")).toBe("0x9fa0");
});

/** No process has it. */
const SESSION = 999_999_999;

/** Looks at two directories while a program holds a file of the first, whose path is its last argument. */
async function looks(program: string, args: readonly string[]): Promise<{ layer: boolean; layers: boolean }> {
  const root = realpathSync(tempTree({ "layer/a b": "content", "layers/c": "" }));
  const holder = spawn(program, [...args, join(root, "layer/a b")], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void holder.kill());
  await once(holder.stdout, "data");
  return { layer: hasWriter(join(root, "layer"), SESSION), layers: hasWriter(join(root, "layers"), SESSION) };
}

const MAP = `import mmap, os, sys
how, path = sys.argv[1:]
file = os.open(path, os.O_RDONLY if how == "read" else os.O_RDWR)
prot = mmap.PROT_READ | (mmap.PROT_WRITE if how == "write" else 0)
flags = mmap.MAP_PRIVATE if how == "private" else mmap.MAP_SHARED
mapping = mmap.mmap(file, 0, flags=flags, prot=prot)
os.closerange(3, 100)  # mmap keeps a copy of the descriptor
print("mapped", flush=True)
sys.stdin.readline()
`;

describe.runIf(findProgram("python3") !== undefined)("a mapping", () => {
  test.each([
    ["write", "shared and writable", true],
    ["later", "shared and not writable yet, of a file that was opened for writing", true],
    ["read", "shared, of a file that was opened for reading", false],
    ["private", "private", false],
  ])("%s: %s, counts: %s", async (how, _, expected) => {
    expect(await looks("python3", ["-c", MAP, how])).toEqual({ layer: expected, layers: false });
  });
});

test.each([
  [">", "writing", true],
  ["<>", "reading and writing", true],
  [">>", "appending", true],
  ["<", "reading", false],
])("a file that a shell's %s opens for %s, counts: %s", async (redirection, _, expected) => {
  const script = `exec 3${redirection}"$1"; echo open; exec cat`;
  expect(await looks("sh", ["-c", script, "sh"])).toEqual({ layer: expected, layers: false });
});

test("too many processes to look at count as one that writes", () => {
  expect(
    hasWriter(
      "/layers/a",
      SESSION,
      Array.from({ length: 1001 }, () => "999999999"),
    ),
  ).toBe(true);
});

/** Process 1 of some machines has rights that no other process has. */
const unreadable = readdirSync("/proc").find((pid) => {
  try {
    return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/maps`) === undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
});

test.runIf(unreadable !== undefined)("a process that cannot be read counts if it is of the build's session", () => {
  const pid = unreadable ?? "";
  const session = Number(statFields(`/proc/${pid}`)[3]);
  expect(hasWriter("/layers/a", session, [pid])).toBe(true);
  expect(hasWriter("/layers/a", SESSION, [pid])).toBe(false);
});

test("a process that has ended writes nothing", () => {
  expect(hasWriter("/layers/a", SESSION, ["999999999"])).toBe(false);
});
