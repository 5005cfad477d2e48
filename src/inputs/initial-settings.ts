import { gates } from "../cnb/platform-api.ts";
import type { RunCommand } from "./command-line.ts";
import { type Environment, stringFrom } from "./environment.ts";
import type { ExportSettings } from "./export-inputs.ts";
import { parseGoDecimal } from "./go-value.ts";
import { parseLogLevel } from "./log-level.ts";

/** Everything but the flags of our own, which are checked after the reference's. */
export type ReferenceSettings = Omit<ExportSettings, "tuning">;

/** The settings from flags and environment, before anything is resolved (docs/compatibility.md#flags). */
export function initialSettings({ platformApi, flags, positionals }: RunCommand, env: Environment): ReferenceSettings {
  const [outputImage = "", ...additionalTags] = positionals;
  return {
    platformApi,
    analyzedPath: flags.string("analyzed"),
    appDir: flags.string("app"),
    cacheDir: flags.string("cache-dir"),
    cacheImage: flags.string("cache-image"),
    daemon: flags.bool("daemon"),
    execEnv: stringFrom(env, "CNB_EXEC_ENV", "production"),
    experimentalMode: stringFrom(env, "CNB_EXPERIMENTAL_MODE", "error"),
    extendedDir: flags.string("extended"),
    gid: flags.int("gid"),
    groupPath: flags.string("group"),
    insecureRegistries: flags.list("insecure-registry"),
    launchCacheDir: flags.string("launch-cache"),
    launcherPath: flags.string("launcher"),
    launcherSbomDir: flags.string("launcher-sbom"),
    layersDir: flags.string("layers"),
    layout: flags.bool("layout"),
    layoutDir: flags.string("layout-dir"),
    logLevel: parseLogLevel(flags.string("log-level")),
    noColor: flags.bool("no-color"),
    parallel: flags.bool("parallel"),
    previousImage: flags.string("previous-image"),
    buildImage: env.CNB_BUILD_IMAGE ?? "",
    processType: flags.string("process-type"),
    projectMetadataPath: flags.string("project-metadata"),
    reportPath: flags.string("report"),
    runPath: flags.string("run"),
    runImage: flags.string("run-image"),
    stackPath: flags.string("stack"),
    uid: flags.int("uid"),
    outputImage,
    additionalTags,
    ...sourceDateEpoch(env.SOURCE_DATE_EPOCH ?? "", gates(platformApi).honoursSourceDateEpoch),
  };
}

/** See docs/compatibility.md#created-time. */
function sourceDateEpoch(text: string, isHonoured: boolean) {
  if (!isHonoured || text === "") return { sourceDateEpoch: undefined, isSourceDateEpochInvalid: false };
  const seconds = parseGoDecimal(text);
  return { sourceDateEpoch: seconds, isSourceDateEpochInvalid: seconds === undefined };
}
