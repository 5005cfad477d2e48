import { homedir } from "node:os";
import { runAs } from "./privileges.ts";
import { runProgram } from "./program.ts";
import { stdioSink } from "./report/stdio-sink.ts";
import { listenForStop } from "./stop-signals.ts";

/** How the program was called; the rest of the environment is passed on to programs that are started. */
const { TANDEM_INVOKED_AS: program = "exporter", ...env } = process.env;
const [args, cwd, home] = [process.argv.slice(2), process.cwd(), homedir()];

runProgram({ program, args, env, cwd, home, out: stdioSink(1), err: stdioSink(2), runAs }, listenForStop()).then(
  (exitCode) => process.exit(exitCode),
);
