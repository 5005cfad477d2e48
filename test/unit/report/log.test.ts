import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { Log } from "../../../src/report/log.ts";

function recordingLog(): { readonly log: Log; readonly out: string[]; readonly err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const log = new Log({ write: (lines) => void out.push(lines) }, { write: (lines) => void err.push(lines) });
  return { log, out, err };
}

describe("Log", () => {
  it("prints everything in color until it is configured, warnings and errors to the second sink", () => {
    const { log, out, err } = recordingLog();
    log.debug("debug");
    log.info("info\n");
    log.warn("warn");
    log.error("error");
    expect(out).toEqual(["debug\n", "info\n"]);
    expect(err).toEqual(["\u001b[33;1mWarning: \u001b[0mwarn\n", "\u001b[31;1mERROR: \u001b[0merror\n"]);
  });

  it("prints plain prefixes without colors", () => {
    const { log, err } = recordingLog();
    log.configure({ level: "info", isColored: false, format: "text" });
    log.warn("w");
    log.error("e\n");
    expect(err).toEqual(["Warning: w\n", "ERROR: e\n"]);
  });

  it.each([
    ["debug", ["d\n", "i\n"], ["Warning: w\n", "ERROR: e\n"]],
    ["info", ["i\n"], ["Warning: w\n", "ERROR: e\n"]],
    ["warn", [], ["Warning: w\n", "ERROR: e\n"]],
    ["error", [], ["ERROR: e\n"]],
    ["fatal", [], []],
  ] as const)("at level %s drops what is below", (level, outLines, errLines) => {
    const { log, out, err } = recordingLog();
    log.configure({ level, isColored: false, format: "text" });
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    expect(out).toEqual(outLines);
    expect(err).toEqual(errLines);
  });

  it("prints a message verbatim: line breaks, percent signs and JSON", () => {
    const { log, out } = recordingLog();
    for (const message of ["\n*** Digest: x\n", "100%d %% %s", '{"a":1}', "      name"]) log.info(message);
    expect(out).toEqual(["\n*** Digest: x\n", "100%d %% %s\n", '{"a":1}\n', "      name\n"]);
  });

  it("escapes terminal control characters at every level and keeps its own colors", () => {
    const { log, out, err } = recordingLog();
    log.info("a\u001b[2Jb\u009b31mc\u202ed\u0007\r\te\u2066\u200ff\u2028g\u007f é 語");
    log.warn("x\u001b]0;title\u0007");
    log.phase("EXPORTING");
    const escaped = "a\\x1b[2Jb\\u009b31mc\\u202ed\\x07\\r\te\\u2066\\u200ff\\u2028g\\x7f é 語\n";
    expect(out).toEqual([escaped, "\u001b[36m===> EXPORTING\u001b[0m\n"]);
    expect(err).toEqual(["\u001b[33;1mWarning: \u001b[0mx\\x1b]0;title\\x07\n"]);
  });

  it("keeps a name with a line break on its line", () => {
    const { log, out } = recordingLog();
    log.info("\n*** Adding layer 'a\nERROR: b'\n");
    log.debug("Processing launch layer: /a\nERROR: b");
    expect(out).toEqual(["\n*** Adding layer 'a\\nERROR: b'\n", "Processing launch layer: /a\\nERROR: b\n"]);
  });

  it("writes pino's JSON with trimmed messages, to the same sinks", () => {
    const { log, out, err } = recordingLog();
    log.configure({ level: "info", isColored: true, format: "json" });
    log.info("\n*** Digest: x\n");
    log.warn("careful");
    expect(out.map((line) => JSON.parse(line))).toEqual([
      { level: 30, time: expect.any(Number), msg: "*** Digest: x" },
    ]);
    expect(err.map((line) => JSON.parse(line))).toMatchObject([{ level: 40, msg: "careful" }]);
  });

  it("goes to standard output and error, complete and in order, while the reader lags", () => {
    const modules = ["log", "output"].map((name) => new URL(`../../../src/report/${name}.ts`, import.meta.url).href);
    const script = `
      const [{ Log }, { standardOutput }] = await Promise.all(${JSON.stringify(modules)}.map((module) => import(module)));
      const [out, err] = [standardOutput(1), standardOutput(2)];
      const log = new Log(out, err);
      for (let i = 0; i < 50_000; i += 1) log.info("line " + i);
      log.error("last");
      await Promise.all([out.finish(), err.finish()]);
      process.exit(7);`;
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(run.status).toBe(7);
    expect(run.stdout).toBe(Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join(""));
    expect(run.stderr).toBe("\u001b[31;1mERROR: \u001b[0mlast\n");
  });
});
