import { expect, test } from "vitest";
import { limitByQuota, readAvailableCores } from "../../../src/inputs/available-cores.ts";

test.each<[string, Record<string, string>, number]>([
  ["no cgroup files", {}, 8],
  ["v2 without a limit", { "/sys/fs/cgroup/cpu.max": "max 100000\n" }, 8],
  ["v2, a part of a core counts as one", { "/sys/fs/cgroup/cpu.max": "150000 100000\n" }, 2],
  ["v2, less than one core", { "/sys/fs/cgroup/cpu.max": "10000 100000\n" }, 1],
  ["v2, more than there are", { "/sys/fs/cgroup/cpu.max": "6400000 100000\n" }, 8],
  [
    "v2, the limit of a group around the process's own",
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
])("%s", (_name, files, expected) => {
  expect(limitByQuota(8, (path) => files[path])).toBe(expected);
});

test("this machine has at least one core", () => {
  expect(readAvailableCores()).toBeGreaterThanOrEqual(1);
});
