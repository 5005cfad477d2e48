import { expect, test } from "vitest";
import { readAnalyzed } from "../../../src/build-output/analyzed.ts";
import { createdInputs } from "../../../src/creator/create.ts";
import { resolveCreate } from "../../../src/creator/settings.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const DIGEST = `reg.example/run@sha256:${"a".repeat(64)}`;

async function read(analyzed: string, args: readonly string[]) {
  const cwd = tempTree({ "layers/analyzed.toml": analyzed, "run.toml": '[[images]]\nimage = "reg.example/run"\n' });
  const env = {
    CNB_PLATFORM_API: "0.12",
    CNB_LAYERS_DIR: `${cwd}/layers`,
    CNB_RUN_PATH: `${cwd}/run.toml`,
    CNB_EXPERIMENTAL_MODE: "quiet",
  };
  const command = parseCommandLine("creator", [...args, "reg.example/app"], env, { cores: 2, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  const { settings } = await resolveCreate(command, { env, cwd }, new RecordingLogger());
  const logger = new RecordingLogger();
  return createdInputs(settings, { analyzed: await readAnalyzed(settings.analyzedPath, logger), group: [] });
}

const NAMED = `[run-image]\nreference = "${DIGEST}"\nimage = "mirror.example/run:1"\n`;
const NAMELESS = `[run-image]\nreference = "${DIGEST}"\n`;

test.each([
  { name: "the name that the analyzer chose", analyzed: NAMED, args: [], expected: "mirror.example/run:1" },
  { name: "the name that was given", analyzed: NAMELESS, args: ["-run-image", "own/run"], expected: "own/run" },
  { name: "the digest, where no name is known", analyzed: NAMELESS, args: [], expected: DIGEST },
  { name: "the path of a layout", analyzed: NAMED, args: ["-layout", "-run-image", "own/run"], expected: DIGEST },
])("the run image is $name", async ({ analyzed, args, expected }) => {
  expect((await read(analyzed, args)).settings.runImage).toBe(expected);
});

test("rejects an analyzed.toml without a run image", async () => {
  expect(await rejectionOf(read("", []))).toMatchObject({ message: "run image not found in analyzed metadata" });
});
