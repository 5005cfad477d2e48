import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { adaptSuite, checkPrerequisites, Results } from "../../scripts/acceptance.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { thrownBy } from "../support/thrown-by.ts";

/* The suite itself runs with `npm run acceptance`. */

const IMAGES = `const (
	containerBaseImage     = "busybox"
	containerBaseImageFull = "ubuntu:bionic"
)
`;

const HELPERS = `func DockerRun(t *testing.T, image string, ops ...DockerCmdOp) string {
	return Run(t, exec.Command("docker", append([]string{"run", "--rm"}, args...)...)) // #nosec G204
}
`;

const [DIGEST, DIFF_ID] = [`sha256:${"a".repeat(64)}`, `sha256:${"b".repeat(64)}`];
const EXPORTER = `	expectedDiffID: "${DIFF_ID}", // of the daemon
	expectedDigest: "${DIGEST}", // of the registry
	digest, err := layer.Digest()
`;

const SOURCE = {
  "acceptance/variables_unix.go": IMAGES,
  "acceptance/exporter_test.go": EXPORTER,
  "testhelpers/docker.go": HELPERS,
  Makefile: "build-linux-amd64:\n",
};

/** Replaces PATH by programs that run these scripts, until the test ends. */
function onlyPrograms(scripts: Readonly<Record<string, string>>): void {
  const files = Object.entries(scripts).map(([name, script]) => [name, `#!/bin/sh\n${script}\n`]);
  const directory = tempTree(Object.fromEntries(files));
  for (const name of Object.keys(scripts)) chmodSync(join(directory, name), 0o755);
  const before = process.env.PATH;
  process.env.PATH = directory;
  onTestFinished(() => {
    process.env.PATH = before;
  });
}

const DOCKER =
  'case "$*" in pull*) echo "no route to host" >&2; exit 1;; "image inspect busybox"|*version) ;; *) exit 1;; esac';

test.each([
  ["make", {}, "make is not installed\nInstall make"],
  ["Go", { make: "" }, "go is not installed\nInstall Go, in the version that the lifecycle's go.mod asks for"],
  [
    "a module",
    { make: "", go: '[ "$1" = version ] || { echo "kaniko: 403 Forbidden" >&2; exit 1; }' },
    "go list -deps -test -tags=acceptance ./cmd/... ./acceptance: exit code 1\nkaniko: 403 Forbidden\n",
  ],
  ["docker", { make: "", go: "" }, "docker is not installed\nInstall Docker"],
  [
    "a daemon",
    { make: "", go: "", docker: '[ "$1" = --version ]' },
    "no Docker daemon at /var/run/docker.sock, which the suite mounts into its containers\nStart dockerd",
  ],
  [
    "an image",
    { make: "", go: "", docker: DOCKER },
    "the image ubuntu:bionic is neither in the daemon nor in a registry\n" +
      "Make it of a root file system (debootstrap): tar --create . | docker import - ubuntu:bionic",
  ],
])("without %s there is one error, which says what to do", (_, programs, message) => {
  onlyPrograms(programs);
  expect(thrownBy(() => checkPrerequisites(tempTree(SOURCE)))).toMatchObject({ message });
});

test("a directory that is not the lifecycle's source is named", () => {
  const source = tempTree();
  expect(() => checkPrerequisites(source)).toThrow(
    `${source} is not the source of the lifecycle: it has no acceptance/variables_unix.go`,
  );
});

test("replaces the programs after each build, and asserts on stderr and diffIDs", () => {
  const source = tempTree(SOURCE);
  adaptSuite(source, "/programs", "amd64");
  const read = (file: string) => readFileSync(join(source, file), "utf8");
  expect(read("Makefile")).toMatch(
    /^build-linux-amd64: tandem\ntandem: .*launcher\n\tcp .* \/programs\/exporter .* \/programs\/creator .*\/lifecycle$/m,
  );
  expect(read("testhelpers/docker.go")).toContain("return RunWithCombinedOutput(t, ");
  expect(read("acceptance/exporter_test.go")).toBe(
    EXPORTER.replace(DIGEST, DIFF_ID).replace("layer.Digest", "layer.DiffID"),
  );
});

test.each([
  ["testhelpers/docker.go", "package testhelpers"],
  ["testhelpers/docker.go", HELPERS.repeat(2)],
  ["acceptance/exporter_test.go", "package acceptance"],
  ["acceptance/exporter_test.go", EXPORTER + EXPORTER],
  ["acceptance/exporter_test.go", EXPORTER.replace("expectedDiffID", "other")],
])("another version of %s is rejected", (file, text) => {
  expect(() => adaptSuite(tempTree({ ...SOURCE, [file]: text }), "/programs", "amd64")).toThrow(
    /^(testhelpers\/docker|acceptance\/exporter_test)\.go does not have [\s\S]*\nUse the lifecycle's commit 4bd4b13/,
  );
});

test("counts tests that have none below them, by the way in which they ended", () => {
  const results = new Results();
  const ends = [
    ["output", "TestA/0.7/b", "--- PASS\n"],
    ["pass", "TestA/0.7/b"],
    ["skip", "TestA/0.7/c/when/d"],
    ["fail", "TestA/0.8/b"],
    ["pass", "TestA/0.7"],
    ["fail", "TestA/0.8"],
    ["fail", "TestA"],
    ["pass", "TestB"],
    ["fail", undefined],
  ];
  const outputs = ends.map(([Action, Test, Output]) => results.add(JSON.stringify({ Action, Test, Output })));
  expect(outputs.join("")).toBe("--- PASS\n");
  expect(results.add("# package: it does not compile")).toBe("# package: it does not compile\n");
  expect([...results.tallies]).toEqual([
    ["TestA", { passed: 1, failed: 1, skipped: 1 }],
    ["TestB", { passed: 1, failed: 0, skipped: 0 }],
  ]);
  expect(results.failed).toEqual(["TestA/0.8/b"]);
});
