import { join } from "node:path";
import type { Builder } from "../build/builder.ts";
import { type ExporterRun, startProgram } from "../process/exporter.ts";
import { REFERENCE, warnWithoutReference } from "../process/reference-lifecycle.ts";
import { CREATOR } from "./fake-build.ts";

warnWithoutReference("Builds with real phases");

export interface Build {
  readonly api?: string;
  readonly creator: string;
  readonly image: string;
  readonly cache?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function create(
  on: Builder,
  { api = "0.13", creator, image, cache, flags = [], env = {} }: Build,
): Promise<ExporterRun> {
  const own = creator === CREATOR ? ["-spool-dir", join(on.root, "spool")] : [];
  const cacheFlags = cache === undefined ? [] : ["-cache-image", cache];
  return startProgram(creator, [...on.flags(api), ...cacheFlags, ...own, ...flags, image], {
    CNB_PLATFORM_API: api,
    CNB_LIFECYCLE_DIR: REFERENCE,
    HOME: join(on.root, "home"),
    USER: "builder",
    ...env,
  }).ended;
}
