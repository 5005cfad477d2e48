import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Keychain } from "../../../src/auth/keychain.ts";
import { exportBuild } from "../../../src/export/setup.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { resolveSettings } from "../../../src/inputs/settings.ts";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

test("a failure before the first layer is reported and closes the file of events", async () => {
  const cwd = tempTree({
    "layers/analyzed.toml": `[run-image]\nreference = "reg.example/run@sha256:${"a".repeat(64)}"\n`,
  });
  const env = { CNB_PLATFORM_API: "0.12" };
  const args = ["-layers", `${cwd}/layers`, "-events", `${cwd}/events`, "reg.example/app"];
  const command = parseCommandLine("exporter", args, env, { cores: 2, tempDir: cwd });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  const logger = new RecordingLogger();
  const inputs = await resolveSettings(command, { env, cwd }, logger);
  const keychain = new Keychain(new Map(), new Map());
  const launcherRelease = Promise.resolve({ version: "", repository: "", commit: "" });
  const events: ExportEvent[] = [];
  const onEvent = (event: ExportEvent) => events.push(event);
  const parts = { logger, environment: env, keychain, docker: undefined, launcherRelease, onEvent };
  const invalid = { ...inputs, settings: { ...inputs.settings, outputImage: "reg.example/APP" } };
  await expect(exportBuild(invalid, parts, new AbortController().signal)).rejects.toThrow("could not parse reference");
  expect(events.map(({ event }) => event)).toEqual(["error"]);
  expect(readFileSync(`${cwd}/events`, "utf8")).toBe(`${JSON.stringify(events[0])}\n`);
});
