import { existsSync } from "node:fs";
import { rememberOpenFiles } from "../process/children.ts";
import {
  exactArguments,
  exactVariables,
  givenEnvironment,
  homeDirectory,
  signalsIgnoredAtStart,
  workingDirectory,
} from "../process/environment.ts";
import { runAs } from "../process/privileges.ts";
import { exitProcess, listenForStop } from "../process/signals.ts";
import { standardOutput } from "../report/output.ts";
import { runProgram } from "./program.ts";

const { TANDEM_INVOKED_AS: program = "exporter", TANDEM_IGNORED_SIGNALS: ignored, TANDEM_OPEN_FILES } = process.env;
rememberOpenFiles(TANDEM_OPEN_FILES);
const env = givenEnvironment(exactVariables(process.env));
const [args, cwd, home] = [exactArguments(process.argv.slice(2)), workingDirectory(), homeDirectory(env)];

// Node.js cannot start a thread in a deleted directory. In /proc/self/task, too, no relative path names a file, and
// none can be created.
if (cwd === "") process.chdir(existsSync("/proc/self/task") ? "/proc/self/task" : "/");

// process.env then serves only the clouds' SDKs and the programs that they start.
for (const name of Object.keys(process.env)) if (!Object.hasOwn(env, name)) delete process.env[name];
process.env.HOME = home;

const stop = listenForStop(signalsIgnoredAtStart(ignored));
const [out, err] = [standardOutput(1), standardOutput(2)];
void runProgram({ program, args, env, cwd, home, out, err, runAs }, stop).then((exitCode) =>
  exitProcess(exitCode, stop),
);
