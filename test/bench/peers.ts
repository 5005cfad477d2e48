import { buildkit } from "./buildkit.ts";
import type { Contender } from "./contender.ts";
import { crane } from "./crane.ts";
import { findProgram } from "./find-program.ts";

/** Those that this machine has, which make two images of the same directories and push them, without what makes them CNB's. */
export function peers(): readonly Contender[] {
  const [cranePath, daemon, client] = [
    findProgram("crane", "CRANE"),
    findProgram("buildkitd", "BUILDKITD"),
    findProgram("buildctl", "BUILDCTL"),
  ];
  return [
    ...(cranePath === undefined ? [] : [crane(cranePath)]),
    ...(daemon === undefined || client === undefined ? [] : [buildkit(daemon, client)]),
  ];
}
