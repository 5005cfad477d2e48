import { accessSync, constants, statSync } from "node:fs";
import { posix } from "node:path";
import { LIFECYCLE_DIR_ENV, lifecycleDirectory } from "../build-output/launcher-release.ts";
import { failTo } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";
import type { Environment } from "../process/environment.ts";
import type { Phase } from "./phases.ts";

export type Lifecycle = Readonly<Record<Phase, string>>;

export function findLifecycle(program: string, env: Environment, cwd: string): Lifecycle {
  const directory = lifecycleDirectory(program, env, cwd);
  const find = (phase: Phase) => {
    const path = posix.join(directory, phase);
    checkProgram(phase, path);
    return path;
  };
  return {
    analyzer: find("analyzer"),
    detector: find("detector"),
    restorer: find("restorer"),
    builder: find("builder"),
  };
}

function checkProgram(phase: Phase, path: string): void {
  try {
    accessSync(path, constants.X_OK);
    if (statSync(path).isDirectory()) throw new Error("is a directory");
  } catch (error) {
    const fault = pathFault("EXPORT_ARGS_LIFECYCLE", "access", path, error, {
      hint:
        "The creator runs the phases of a lifecycle: put it beside their programs, or set " +
        `${LIFECYCLE_DIR_ENV} to the directory where they are.`,
    });
    throw failTo(`find the ${phase}`, fault);
  }
}
