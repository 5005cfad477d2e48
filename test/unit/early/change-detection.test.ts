import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { canShowChanges, hasWriter } from "../../../src/early/change-detection.ts";
import { LayerFiles } from "../../../src/early/layer-files.ts";
import { distrustedFileSystem } from "../../../src/files/local-file-systems.ts";
import { stampTree } from "../../../workers/scan/stamp.ts";
import { mayMount } from "../../support/files/mounts.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { statFields } from "../../support/process/process-state.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

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

function layerFiles(directory: string): LayerFiles {
  const { inodes } = stampTree({ kind: "directory", path: directory, uid: 0, gid: 0 });
  return new LayerFiles(directory, inodes);
}

/**
 * A program that prints a line once it holds a file, until the test ends. Whether it writes to a directory is asked of
 * it alone: other processes of the machine count too if this one may not read them, as root without CAP_SYS_PTRACE.
 */
async function hold(program: string, args: readonly string[]) {
  const holder = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void holder.kill());
  const [said] = await once(holder.stdout, "data");
  const pid = String(holder.pid);
  const isWritten = (directory: string) => hasWriter(layerFiles(directory), SESSION, [pid]);
  return { pid, said: String(said), isWritten };
}

/** Looks at two directories while a program holds a file of the first, whose path is its last argument. */
async function looks(program: string, args: readonly string[]): Promise<{ layer: boolean; layers: boolean }> {
  const root = realpathSync(tempTree({ "layer/a b": "content", "layers/c": "" }));
  const { isWritten } = await hold(program, [...args, join(root, "layer/a b")]);
  return { layer: isWritten(join(root, "layer")), layers: isWritten(join(root, "layers")) };
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

/**
 * The file gets its name in the layer after it was opened, and keeps no other; `held` is the mapping or the descriptor.
 */
const MOVED = `import mmap, os, sys
how, held, elsewhere, layer = sys.argv[1:]
path = elsewhere + "/file"
if how == "unnamed":
    file = os.open(elsewhere, os.O_RDWR | os.O_TMPFILE)
else:
    file = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 4096)
if held == "mapping":
    mapping = mmap.mmap(file, 4096)
if how == "unnamed":
    os.link(f"/proc/self/fd/{file}", layer + "/file", src_dir_fd=file)
else:
    os.link(path, layer + "/file")
    os.unlink(path)
if held == "mapping":
    os.closerange(3, 100)
print("held", flush=True)
sys.stdin.readline()
`;

/** Undefined if this process may not mount one on TMPDIR. */
function mountOverlay(): string | undefined {
  const root = realpathSync(tempTree({ "lower/": "", "upper/": "", "work/": "", "merged/": "" }));
  const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => join(root, name));
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  if (spawnSync("mount", ["-t", "overlay", "overlay", "-o", options, String(merged)]).status !== 0) return undefined;
  onTestFinished(() => void execFileSync("umount", ["--lazy", String(merged)]));
  return String(merged);
}

const FILE_SYSTEMS = {
  "the file system of TMPDIR": () => realpathSync(tempTree()),
  overlayfs: mountOverlay,
};

describe.runIf(findProgram("python3") !== undefined)("a file that was opened outside of the layer", () => {
  const ways = Object.entries(FILE_SYSTEMS).flatMap(([name, open]) =>
    ["linked", "unnamed"].flatMap((how) => ["mapping", "descriptor"].map((held) => ({ name, open, how, held }))),
  );

  test.for(ways)("and is then $how in it counts by its $held, on $name", async ({ open, how, held }, { skip }) => {
    const root = open();
    if (root === undefined) return skip("this process may not mount an overlay on TMPDIR");
    const [elsewhere, layer, other] = ["elsewhere", "layer", "other"].map((name) => join(root, name));
    for (const directory of [elsewhere, layer, other]) mkdirSync(String(directory));
    const { isWritten } = await hold("python3", ["-c", MOVED, how, held, String(elsewhere), String(layer)]);
    expect(isWritten(String(layer))).toBe(true);
    expect(isWritten(String(other))).toBe(false);
  });
});

/** Like a process of a phase, which leads its own session; no other process sees the overlay. */
const OVERLAID = `import mmap, os, subprocess, sys
held, root = sys.argv[1:]
os.setsid()
options = f"lowerdir={root}/lower,upperdir={root}/layer,workdir={root}/work"
if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, root + "/merged"]).returncode != 0:
    print("refused", flush=True)
    sys.exit()
file = os.open(root + "/merged/" + ("below" if held.endswith("copied up") else "file"), os.O_RDWR)
if held != "descriptor":
    mapping = mmap.mmap(file, 0)
    os.closerange(3, 100)
print("held", flush=True)
sys.stdin.readline()
`;

describe.runIf(mayMount() && findProgram("python3") !== undefined)(
  "a file of the layer that a process has through an overlay in its own mount namespace counts",
  () => {
    test.for(["mapping", "descriptor", "mapping of a file that was copied up"])("by its %s", async (held, { skip }) => {
      const root = realpathSync(
        tempTree({
          "lower/below": "content",
          "layer/file": "content",
          "work/": "",
          "merged/": "",
          "other/file": "content",
        }),
      );
      const holder = await hold("unshare", ["--mount", "python3", "-c", OVERLAID, held, root]);
      if (holder.said === "refused\n") return skip("this process may not mount an overlay on TMPDIR");
      expect(holder.isWritten(join(root, "layer"))).toBe(true);
      if (held === "descriptor") expect(holder.isWritten(join(root, "other"))).toBe(false);
    });
  },
);

/** Ends its first thread, and lets another one hold the mapping. */
const THREADED = `import ctypes, mmap, os, sys, threading
file = os.open(sys.argv[1], os.O_RDWR)
mapping = mmap.mmap(file, 0)
os.closerange(3, 100)
def hold():
    print("held", flush=True)
    sys.stdin.readline()
    os._exit(0)
threading.Thread(target=hold).start()
ctypes.CDLL(None).syscall(SYS_EXIT, 0)
`.replace("SYS_EXIT", process.arch === "x64" ? "60" : "93");

test.runIf(findProgram("python3") !== undefined)("a process whose first thread has ended counts", async () => {
  const root = realpathSync(tempTree({ "layer/a": "content" }));
  const { pid, isWritten } = await hold("python3", ["-c", THREADED, join(root, "layer/a")]);
  await vi.waitFor(() => expect(statFields(`/proc/${pid}`)[0]).toBe("Z"), WAIT);
  expect(isWritten(join(root, "layer"))).toBe(true);
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

const EMPTY_LAYER = new LayerFiles("/", new BigUint64Array());

test("too many processes to look at count as one that writes", () => {
  const pids = Array.from({ length: 1001 }, () => "999999999");
  expect(hasWriter(EMPTY_LAYER, SESSION, pids)).toBe(true);
});

/** Process 1 of some machines has rights that no other process has. */
const unreadable = ["1"].find((pid) => {
  try {
    return readFileSync(`/proc/${pid}/maps`) === undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
});

test.runIf(unreadable !== undefined)("a process that cannot be read counts only if it may belong to the build", () => {
  const pid = unreadable ?? "";
  const session = Number(statFields(`/proc/${pid}`)[3]);
  expect(hasWriter(EMPTY_LAYER, session, [pid])).toBe(true);
  expect(hasWriter(EMPTY_LAYER, SESSION, [pid])).toBe(false);
});

test("a process that has ended writes nothing", () => {
  expect(hasWriter(EMPTY_LAYER, SESSION, ["999999999"])).toBe(false);
});
