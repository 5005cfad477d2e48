import { expect, test } from "vitest";
import { availableMemory, limitByQuota, readMachine } from "../../../src/process/machine.ts";

test.each<[string, Record<string, string>, number]>([
  ["no cgroup files", {}, 8],
  ["v2 without a limit", { "/sys/fs/cgroup/cpu.max": "max 100000\n" }, 8],
  ["v2, a part of a core counts as one", { "/sys/fs/cgroup/cpu.max": "150000 100000\n" }, 2],
  ["v2, less than one core", { "/sys/fs/cgroup/cpu.max": "10000 100000\n" }, 1],
  ["v2, a quota above the machine's cores", { "/sys/fs/cgroup/cpu.max": "6400000 100000\n" }, 8],
  [
    "v2, the limit of an ancestor group",
    {
      "/proc/self/cgroup": "0::/kubepods/pod1/c1\n",
      "/sys/fs/cgroup/kubepods/pod1/c1/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/kubepods/pod1/cpu.max": "300000 100000\n",
    },
    3,
  ],
  [
    "v1",
    {
      "/proc/self/cgroup": "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "200000\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
    },
    2,
  ],
  [
    "v1 without a limit",
    { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n" },
    8,
  ],
  ["not numbers", { "/sys/fs/cgroup/cpu.max": "\n" }, 8],
])("cores: %s", (_name, files, expected) => {
  expect(limitByQuota(8, (path) => files[path])).toBe(expected);
});

const MIB = 1 << 20;
const MEMINFO = "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    4194304 kB\n";
const OWN = "/sys/fs/cgroup/kubepods/pod1/c1";

test.each<[string, Record<string, string>, number, string]>([
  ["no limits: the machine's available memory", {}, 4096 * MIB, "/proc/meminfo"],
  [
    "a kernel without MemAvailable: all of the machine's",
    { "/proc/meminfo": "MemTotal:        1048576 kB\n" },
    1024 * MIB,
    "/proc/meminfo",
  ],
  ["v2 without a limit", { "/sys/fs/cgroup/memory.max": "max\n" }, 4096 * MIB, "/proc/meminfo"],
  ["v2", { "/sys/fs/cgroup/memory.max": "536870912\n" }, 512 * MIB, "/sys/fs/cgroup/memory.max"],
  [
    "v2, the limit above which processes are slowed down",
    { "/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.high": "268435456\n" },
    256 * MIB,
    "/sys/fs/cgroup/memory.high",
  ],
  [
    "v2, minus the group's use without droppable caches",
    {
      "/sys/fs/cgroup/memory.max": "536870912\n",
      "/sys/fs/cgroup/memory.current": `${300 * MIB}\n`,
      "/sys/fs/cgroup/memory.stat": `anon 1\nfile 2\ninactive_file ${150 * MIB}\nactive_file ${50 * MIB}\n`,
    },
    412 * MIB,
    "/sys/fs/cgroup/memory.max",
  ],
  [
    "v2, the minimum of a group and its ancestors, which other groups use too",
    {
      "/proc/self/cgroup": "0::/kubepods/pod1/c1\n",
      [`${OWN}/memory.max`]: `${2048 * MIB}\n`,
      "/sys/fs/cgroup/kubepods/pod1/memory.max": `${2048 * MIB}\n`,
      "/sys/fs/cgroup/kubepods/pod1/memory.current": `${1800 * MIB}\n`,
      "/sys/fs/cgroup/kubepods/memory.max": `${1024 * MIB}\n`,
    },
    248 * MIB,
    "/sys/fs/cgroup/kubepods/pod1/memory.max",
  ],
  [
    "v2 on a hybrid host",
    { "/proc/self/cgroup": "4:cpu:/\n0::/x\n", "/sys/fs/cgroup/unified/x/memory.max": `${64 * MIB}\n` },
    64 * MIB,
    "/sys/fs/cgroup/unified/x/memory.max",
  ],
  [
    "v1 without a limit, which is a huge number",
    { "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" },
    4096 * MIB,
    "/proc/meminfo",
  ],
  [
    "v1, in its own group, minus the use",
    {
      "/proc/self/cgroup": "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n",
      "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": `${512 * MIB}\n`,
      "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": `${100 * MIB}\n`,
      "/sys/fs/cgroup/memory/docker/x/memory.stat": `inactive_file 0\ntotal_inactive_file ${20 * MIB}\ntotal_active_file ${10 * MIB}\n`,
    },
    442 * MIB,
    "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
  ],
  [
    "v1, the limit of an ancestor that a container does not see",
    {
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/memory.stat": `rss 1\nhierarchical_memory_limit ${128 * MIB}\n`,
    },
    128 * MIB,
    "/sys/fs/cgroup/memory/memory.stat",
  ],
  [
    "a full group",
    { "/sys/fs/cgroup/memory.max": "0\n", "/sys/fs/cgroup/memory.current": "4096\n" },
    0,
    "/sys/fs/cgroup/memory.max",
  ],
  [
    "not numbers",
    { "/sys/fs/cgroup/memory.max": "\n", "/sys/fs/cgroup/memory.high": "-1\n" },
    4096 * MIB,
    "/proc/meminfo",
  ],
])("memory: %s", (_name, files, bytes, path) => {
  const all: Record<string, string> = { "/proc/meminfo": MEMINFO, ...files };
  expect(availableMemory((name) => all[name])).toEqual({ bytes, path });
});

test("memory is unknown if the system does not report it", () => {
  expect(availableMemory(() => undefined)).toBeUndefined();
});

test("this machine has at least one core and some memory", () => {
  const { cores, memory } = readMachine("/tmp");
  expect(cores).toBeGreaterThanOrEqual(1);
  expect(memory?.bytes).toBeGreaterThan(0);
});
