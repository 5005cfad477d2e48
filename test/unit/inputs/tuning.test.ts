import { expect, test } from "vitest";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { resolveTuning } from "../../../src/inputs/settings.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { thrownBy } from "../../support/thrown-by.ts";

function tuning(args: readonly string[], cwd = "/somewhere") {
  const command = parseCommandLine("exporter", args, { CNB_PLATFORM_API: "0.13" }, { cores: 2, tempDir: "/scratch" });
  if (command.kind !== "run") throw new Error(command.kind);
  return resolveTuning(command, cwd, new RecordingLogger());
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
