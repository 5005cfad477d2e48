import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { buildBinary } from "../../../scripts/binary/build-binary.ts";
import { fetchPackage } from "../../../scripts/binary/debian-libraries.ts";
import { architectureOf, checkElf, strip } from "../../../scripts/binary/elf.ts";
import { ARCHITECTURES, type Architecture, fetchRuntime } from "../../../scripts/binary/fetch-runtime.ts";
import { runTool } from "../../../scripts/run-tool.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { binaryBuildProblem, NATIVE } from "../../support/process/binary-build.ts";

const OTHER: Architecture = NATIVE === "amd64" ? "arm64" : "amd64";

function setVariable(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  onTestFinished(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

test("a missing tool is named, with a remedy", () => {
  expect(() => runTool("no-such-tool", [], { remedy: "Install it" })).toThrow(
    /^no-such-tool is not installed\nInstall it$/,
  );
});

test("a failing tool is named with its arguments, its exit code and its output", () => {
  const fail = () => runTool("sh", ["-c", "echo the cause >&2; exit 7"]);
  expect(fail).toThrow(/^sh -c .*: exit code 7\nthe cause\n$/);
});

describe.skipIf(binaryBuildProblem() !== undefined)("a Debian package", () => {
  const SHA256 = "0".repeat(64);

  test("whose digest differs is rejected with an error that has both", () => {
    setVariable("DEBIAN_MIRROR", `file:${tempTree({ "pool/a/odd_1.deb": "altered" })}`);
    expect(() => fetchPackage("pool/a/odd_1.deb", SHA256)).toThrow(
      new RegExp(`^file:.*/pool/a/odd_1.deb has the SHA-256 [0-9a-f]{64}, and .* pins ${SHA256}$`),
    );
  });

  test("is named when no mirror has it, with the mirrors' answers and a remedy", () => {
    setVariable("DEBIAN_MIRROR", `file:${tempTree()}`);
    expect(() => fetchPackage("pool/a/gone_1.deb", SHA256)).toThrow(
      /^no Debian mirror has pool\/a\/gone_1\.deb\n[\s\S]*File not found[\s\S]*\nBuild on a machine whose apt has a Debian mirror/,
    );
  });

  test("a build without its tools is one error, and leaves nothing", async () => {
    const root = tempTree();
    setVariable("PATH", "/nonexistent");
    setVariable("DEBIAN_MIRROR", "");
    // The first one of a first build is apt-get; later builds have the packages.
    await expect(buildBinary(NATIVE, join(root, "linux"))).rejects.toThrow(
      /^(?:apt-get is not installed\nInstall apt\. |dpkg-deb is not installed\nInstall dpkg$)/,
    );
    expect(readdirSync(root)).toEqual([]);
  });
});

test.each([
  ["", "other.tgz"],
  [", also if an earlier download was altered", `node-linux-${ARCHITECTURES[OTHER]}-${process.versions.node}.tgz`],
])("a Node.js that npm cannot fetch is one error with npm's reason%s", async (_, kept) => {
  setVariable("npm_config_registry", "http://127.0.0.1:1");
  setVariable("npm_config_fetch_retries", "0");
  await expect(fetchRuntime(OTHER, tempTree({ [kept]: "altered" }))).rejects.toThrow(
    /^npm pack node-linux-\w+@\S+ [^\n]*: exit code 1\n[\s\S]*ECONNREFUSED/,
  );
});

test("strips a program, which still runs", () => {
  const program = readFileSync(process.execPath);
  const stripped = strip(program);
  expect(stripped.length).toBeLessThan(0.8 * program.length);
  expect(architectureOf(stripped)).toBe(NATIVE);
  const path = join(tempTree(), "node");
  writeFileSync(path, stripped, { mode: 0o755 });
  expect(spawnSync(path, ["--print", "1 + 1"], { encoding: "utf8" }).stdout).toBe("2\n");
});

test.each([1, 64, 100, 5000])("a program whose last %i bytes are missing is named with its size", (missing) => {
  const program = strip(readFileSync(process.execPath));
  const size = program.length - missing;
  expect(() => checkElf(program.subarray(0, size), "/made/tandem", NATIVE)).toThrow(
    new Error(`/made/tandem is truncated: it has ${size} bytes and its segments end at ${program.length}`),
  );
});

test("a program without its table of segments is reported as truncated", () => {
  const header = readFileSync(process.execPath).subarray(0, 64);
  expect(() => checkElf(header, "/made/tandem", NATIVE)).toThrow("/made/tandem is truncated: it has 64 bytes");
});

test.each([
  ["text", Buffer.from("text")],
  ["nothing", Buffer.of()],
])("a program that is %s is named with the architecture that it should be for", (_, file) => {
  expect(() => checkElf(file, "/made/tandem", "arm64")).toThrow(/^\/made\/tandem is not for linux\/arm64$/);
});
