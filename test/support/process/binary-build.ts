import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { APT_HELPER } from "../../../scripts/binary/debian-libraries.ts";
import type { Architecture } from "../../../scripts/binary/fetch-runtime.ts";
import { findProgram } from "./find-program.ts";

export const NATIVE: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** @returns why this machine cannot build the single executable; undefined if it can */
export function binaryBuildProblem(): string | undefined {
  if (process.platform !== "linux") return "it is built on Linux";
  if (!existsSync(APT_HELPER) || findProgram("dpkg-deb") === undefined) return "there is no apt";
  const { status } = spawnSync("python3", ["-m", "pip", "--version"]);
  return status === 0 ? undefined : "Python 3 with pip is not installed (Debian: apt-get install python3-pip)";
}
