import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { initialSettings, withTuning } from "../../../src/inputs/settings.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { thrownBy } from "../../support/thrown-by.ts";

function tuning(args: readonly string[], cwd = "/somewhere") {
  const env = { CNB_PLATFORM_API: "0.13" };
  const command = parseCommandLine("exporter", [...args, "app"], env, { cores: 2, tempDir: "/scratch" });
  if (command.kind !== "run") throw new Error(command.kind);
  return withTuning(initialSettings(command, { env, cwd }), command, cwd, new RecordingLogger()).tuning;
}

test("relative paths are resolved against the working directory", () => {
  expect(tuning(["-events", "e", "-spool-dir", "s", "-timeline", "t.html"])).toMatchObject({
    events: "/somewhere/e",
    spoolDir: "/somewhere/s",
    timeline: "/somewhere/t.html",
  });
  expect(thrownBy(() => tuning(["-timeline", "t.html"], ""))).toMatchObject({ code: "EXPORT_ARGS_CWD" });
});

test.each([
  [["-upload-concurrency", "1"], { uploadConcurrency: 1 }],
  [["-upload-concurrency", "256"], { uploadConcurrency: 256 }],
  [["-workers", "512"], { workers: 512 }],
  [["-compression-level", "9"], { compressionLevel: 9 }],
  [["-retry-budget", "0"], { retryBudgetMs: 0 }],
])("accepts %j", (args, expected) => {
  expect(tuning(args)).toMatchObject(expected);
});

test.each([
  [["-upload-concurrency", "0"], "UPLOAD_CONCURRENCY) must be a whole number from 1 to 256"],
  [["-upload-concurrency", "257"], "UPLOAD_CONCURRENCY) must be a whole number from 1 to 256"],
  [["-upload-concurrency", "9223372036854775807"], "UPLOAD_CONCURRENCY) must be a whole number from 1 to 256"],
  [["-workers", "0"], "WORKERS) must be a whole number from 1 to 512"],
  [["-workers", "513"], "WORKERS) must be a whole number from 1 to 512"],
  [["-compression-level", "10"], "COMPRESSION_LEVEL) must be a whole number from 1 to 9"],
  [["-compression", "brotli"], "COMPRESSION) must be one of gzip, zstd"],
  [["-log-format", "xml"], "LOG_FORMAT) must be one of text, json"],
  [["-progress", "yes"], "PROGRESS) must be one of auto, tty, plain, none"],
  [["-retry-budget", "5"], "RETRY_BUDGET) must be a duration such as 90s, 5m or 1h30m"],
  [["-retry-budget", "-5m"], "RETRY_BUDGET) must be a duration such as 90s, 5m or 1h30m"],
  [["-timeline", "t.svg"], "TIMELINE) must be a file whose name ends in .html or .json"],
])("%j is one error that names flag, variable and valid values", (args, message) => {
  const fault = thrownBy(() => tuning(args));
  expect(fault).toMatchObject({ exitCode: 3 });
  expect(String(fault)).toContain(`${args[0]} (CNB_EXPORT_${message}`);
});

test("an event file inside the app directory, also through a link, is refused, because it would change as it is exported", () => {
  const directory = tempTree({ "app/old.jsonl": "" });
  symlinkSync("app", join(directory, "link"));
  const events = (path: string) => () => tuning(["-app", join(directory, "app"), "-events", path]);
  for (const path of ["app/old.jsonl", "app/new/events.jsonl", "link/new.jsonl"])
    expect(thrownBy(events(join(directory, path))), path).toMatchObject({
      code: "EXPORT_ARGS_INVALID",
      message: expect.stringContaining(
        `-events (CNB_EXPORT_EVENTS) is ${join(directory, path)}, which is inside the app`,
      ),
      hint: expect.stringContaining("outside of the app directory"),
    });
  expect(events(join(directory, "app.jsonl"))()).toMatchObject({ events: join(directory, "app.jsonl") });
  symlinkSync("loop", join(directory, "app", "loop"));
  expect(events(join(directory, "app/loop"))(), "openEvents reports it").toMatchObject({});
  expect(events("/dev/null")()).toMatchObject({ events: "/dev/null" });
  expect(tuning(["-app", "/", "-events", "/dev/null"])).toMatchObject({ events: "/dev/null" });
});
