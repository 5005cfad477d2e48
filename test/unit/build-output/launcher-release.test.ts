import { chmodSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readLauncherRelease } from "../../../src/build-output/launcher-release.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

const UNKNOWN = { version: "0.0.0", repository: "", commit: "" };
const OFFICIAL = "github.com/buildpacks/lifecycle";
const { signal } = new AbortController();

function lifecycle(script: string): string {
  const directory = tempTree({ lifecycle: `#!/bin/sh\n${script}\n`, exporter: "" });
  chmodSync(join(directory, "lifecycle"), 0o755);
  return directory;
}

function read(directory: string, env = {}) {
  return readLauncherRelease(join(directory, "exporter"), env, "/", signal);
}

test.each([
  ["0.21.17+4bd4b13", { version: "0.21.17", repository: OFFICIAL, commit: "4bd4b13" }],
  ["0.21.0-rc.1+4bd4b13", { version: "0.21.0-rc.1", repository: OFFICIAL, commit: "4bd4b13" }],
  // Between releases the version ends with the commit, which is not printed twice.
  ["0.21.17-2+4bd4b13", { version: "0.21.17-2+4bd4b13", repository: OFFICIAL, commit: "4bd4b13" }],
  ["0.21.17", { version: "0.21.17", repository: "", commit: "" }],
  ["0.0.0", UNKNOWN],
  ["", UNKNOWN],
  ["usage: lifecycle", UNKNOWN],
  ["0.21.17\nmore", UNKNOWN],
])("a lifecycle that prints %j", async (line, release) => {
  expect(await read(lifecycle(`[ "$*" = -version ] && printf '%s\\n' '${line}'`))).toEqual(release);
});

test("CNB_LIFECYCLE_DIR takes precedence over the program's directory", async () => {
  const other = lifecycle("echo 0.20.0");
  expect(await read(lifecycle("echo 0.21.17"), { CNB_LIFECYCLE_DIR: other })).toMatchObject({ version: "0.20.0" });
});

test("a lifecycle that is missing, fails, or links to this program yields an unknown release", async () => {
  expect(await read(tempTree({ exporter: "" }))).toEqual(UNKNOWN);
  expect(await read(lifecycle("echo 0.21.17; exit 1"))).toEqual(UNKNOWN);
  const directory = lifecycle("echo 0.1.0");
  symlinkSync("lifecycle", join(directory, "creator"));
  expect(await readLauncherRelease(join(directory, "creator"), {}, "/", signal)).toEqual(UNKNOWN);
});

test("an export through the library uses the lifecycle of CNB_LIFECYCLE_DIR, or none", async () => {
  expect(await readLauncherRelease(undefined, {}, lifecycle("echo 0.21.17"), signal)).toEqual(UNKNOWN);
  const env = { CNB_LIFECYCLE_DIR: lifecycle("echo 0.21.17") };
  expect(await readLauncherRelease(undefined, env, "/", signal)).toMatchObject({ version: "0.21.17" });
});

test("a stopped export does not wait for the lifecycle", async () => {
  const stop = new AbortController();
  const reading = readLauncherRelease(join(lifecycle("exec sleep 60"), "exporter"), {}, "/", stop.signal);
  stop.abort();
  expect(await reading).toEqual(UNKNOWN);
});
