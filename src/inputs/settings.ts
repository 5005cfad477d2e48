import { analyzedRunImage, readAnalyzed } from "../build-output/analyzed.ts";
import { gates } from "../cnb/api.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { guardExperimental } from "../cnb/experimental.ts";
import { Fault, failTo } from "../errors/fault.ts";
import { parseGoDecimal } from "../go/strconv.ts";
import type { Logger } from "../logger.ts";
import { isEventFileInside } from "../observe/event-writer.ts";
import { parseGivenReference, parseReference, referenceFault, withoutCredentials } from "../oci/reference.ts";
import { cacheKind, type ExportSettings, type ResolvedInputs } from "../plan/inputs.ts";
import { absolutePath, type Environment } from "../process/environment.ts";
import { boundWorkers, fittingWorkers } from "../process/machine.ts";
import { LAYERS_PLACEHOLDER, settingsOf } from "./flags.ts";
import type { ParsedCommand } from "./parse.ts";

export function argumentFault(message: string, hint?: string): Fault {
  return new Fault("EXPORT_ARGS_INVALID", message, { hint });
}

const NAME_IMAGE = "Name the image to export after the flags, e.g. registry.example.com/team/app:1.0.";

/** Without the additional flags, which are checked after the reference's. */
export type ReferenceSettings = Omit<ExportSettings, "tuning">;

function givenSettings(
  { platformApi, flags, positionals }: ParsedCommand,
  { env, cwd }: ProcessContext,
): ReferenceSettings {
  const [outputImage = "", ...additionalTags] = positionals;
  return {
    ...settingsOf("export", flags, cwd),
    platformApi,
    execEnv: env.CNB_EXEC_ENV || "production",
    experimentalMode: env.CNB_EXPERIMENTAL_MODE || "error",
    buildImage: env.CNB_BUILD_IMAGE ?? "",
    outputImage,
    additionalTags: [...additionalTags, ...flags.tag],
    ...sourceDateEpoch(env.SOURCE_DATE_EPOCH ?? "", gates(platformApi).honorsSourceDateEpoch),
  };
}

/** 0001-01-01T00:00:00Z, which counts as unset (imgutil new.go, `IsZero`). */
const GO_ZERO_TIME = -62_135_596_800n;

function sourceDateEpoch(text: string, isHonored: boolean) {
  if (!isHonored || text === "") return { sourceDateEpoch: undefined, isSourceDateEpochInvalid: false };
  const seconds = parseGoDecimal(text);
  return {
    sourceDateEpoch: seconds === GO_ZERO_TIME ? undefined : seconds,
    isSourceDateEpochInvalid: seconds === undefined,
  };
}

function replacePlaceholders(settings: ReferenceSettings): ReferenceSettings {
  const { layersDir } = settings;
  const placeholder = layersDir === "" ? `${LAYERS_PLACEHOLDER}/` : LAYERS_PLACEHOLDER;
  // A function, because a replacement string would interpret `$` patterns.
  const place = (path: string) => path.replace(placeholder, () => layersDir);
  return {
    ...settings,
    analyzedPath: place(settings.analyzedPath),
    extendedDir: place(settings.extendedDir),
    groupPath: place(settings.groupPath),
    projectMetadataPath: place(settings.projectMetadataPath),
    reportPath: place(settings.reportPath),
  };
}

/**
 * Makes the directories absolute that the reference makes absolute. Empty app and layers directories become the working
 * directory, as at the start of the reference's export.
 */
function makePathsAbsolute(settings: ReferenceSettings, cwd: string): ReferenceSettings {
  const absolute = (path: string) => absolutePath(cwd, path);
  const absoluteIfGiven = (path: string) => (path === "" ? path : absolute(path));
  return {
    ...settings,
    appDir: absolute(settings.appDir),
    layersDir: absolute(settings.layersDir),
    cacheDir: absoluteIfGiven(settings.cacheDir),
    launchCacheDir: absoluteIfGiven(settings.launchCacheDir),
  };
}

export function initialSettings(command: ParsedCommand, context: ProcessContext): ReferenceSettings {
  const settings = makePathsAbsolute(replacePlaceholders(givenSettings(command, context)), context.cwd);
  if (settings.outputImage === "") throw argumentFault("image argument is required", NAME_IMAGE);
  return settings;
}

interface SettingsWords {
  readonly ineffectiveParallel: string;
  /** Where the run image was named. */
  readonly runImage: string;
}

/** Warnings and errors in the reference's order. */
export function checkSettings(settings: ReferenceSettings, words: SettingsWords, logger: Logger): void {
  const { daemon, launchCacheDir, parallel } = settings;
  const hasCache = cacheKind(settings) !== "none";
  if (!hasCache) logger.warn(NO_CACHE);
  if (!daemon && launchCacheDir !== "") logger.warn("Ignoring -launch-cache, only intended for use with -daemon");
  checkReferences(settings, words);
  checkDaemonNames(settings);
  checkSameRegistry(settings);
  if (parallel && !hasCache) logger.warn(words.ineffectiveParallel);
}

function checkReferences(settings: ReferenceSettings, words: SettingsWords): void {
  const { previousImage, buildImage, runImage, cacheImage } = settings;
  const path = settings.layout ? undefined : destinationsOf(settings).find(isPath);
  if (path !== undefined) throw pathGiven("The image argument or a tag", path, OUTPUT_PATH);
  if (isPath(cacheImage)) throw pathGiven("-cache-image (CNB_CACHE_IMAGE)", cacheImage, CACHE_PATH);
  if (settings.additionalTags.includes("")) throw argumentFault("an additional image name is empty", NAME_EVERY_IMAGE);
  for (const image of destinationsOf(settings)) checkReference("the image argument or a tag", image);
  checkReference("-previous-image (CNB_PREVIOUS_IMAGE)", previousImage);
  checkReference("CNB_BUILD_IMAGE", buildImage);
  checkReference(words.runImage, runImage);
  checkReference("-cache-image (CNB_CACHE_IMAGE)", cacheImage);
}

const NAME_EVERY_IMAGE = "Leave the name out, or set the variable that it comes from.";
const OUTPUT_PATH = "name an image, or write an OCI layout with -layout and -layout-dir";
const CACHE_PATH = "use -cache-dir (CNB_CACHE_DIR)";

/**
 * No registry has repositories with such names, though the reference asks Docker Hub for some of them. A URL loses the
 * components `.` and `..`, so that `app/../other` would be pushed to `other`.
 */
function isPath(image: string): boolean {
  return /^(?:\.{0,2}|~)\/|\/\.{1,2}(?=[/:@]|$)/.test(image);
}

function pathGiven(what: string, image: string, instead: string): Fault {
  return referenceFault(image, `${what} is ${withoutCredentials(image)}, and that is a path: ${instead}.`);
}

function checkReference(what: string, image: string): void {
  if (image !== "") parseGivenReference(what, image);
}

/** Docker's client would refuse them after the load. */
function checkDaemonNames(settings: ReferenceSettings): void {
  if (!settings.daemon || settings.layout) return;
  const digested = destinationsOf(settings).find((image) => parseReference(image).tag === undefined);
  if (digested !== undefined)
    throw new Fault("EXPORT_DAEMON_TAG", `refusing to create a tag with a digest reference: ${digested}`);
}

function checkSameRegistry(settings: ReferenceSettings): void {
  if (settings.daemon) return;
  const registries = new Set(destinationsOf(settings).map((image) => parseReference(image).registry));
  if (registries.size > 1)
    throw new Fault("EXPORT_ARGS_INVALID", "writing to multiple registries is unsupported", {
      hint: `Export to one registry at a time: the image and its tags are in ${[...registries].join(", ")}.`,
    });
}

function destinationsOf({ outputImage, additionalTags }: ReferenceSettings): readonly string[] {
  return [outputImage, ...additionalTags];
}

export const NO_CACHE = "No cached data will be used, no cache specified.";

export interface ProcessContext {
  readonly env: Environment;
  /** Absolute, or "" if it was deleted. */
  readonly cwd: string;
}

/**
 * The reference's `Args`: checks the arguments and fills in dependent settings, in the order of
 * docs/compatibility.md#input-resolution, then guards layout mode.
 * @throws Fault with exit code 3, `failed to parse arguments: ...` or `failed to resolve inputs: ...`
 */
export async function resolveSettings(
  command: ParsedCommand,
  context: ProcessContext,
  logger: Logger,
): Promise<ResolvedInputs> {
  if (command.positionals.length === 0)
    throw failTo(
      "parse arguments",
      argumentFault("at least one image argument is required", NAME_IMAGE),
      EXIT_CODES.invalidArgs,
    );
  const resolved = await resolve(command, context, logger).catch((error: unknown) => {
    throw failTo("resolve inputs", error, EXIT_CODES.invalidArgs);
  });
  guardLayout(resolved.settings, logger);
  return resolved;
}

export function guardLayout(settings: ReferenceSettings, logger: Logger): void {
  if (settings.layout) guardExperimental("export to OCI layout format", settings.experimentalMode, logger);
}

/** RFC 0125's warning, which the reference's exporter lacks (docs/compatibility.md#parallel-without-cache). */
const WORDS: SettingsWords = {
  ineffectiveParallel:
    "parallel export has been enabled, but it has not taken effect because cache image (-cache-image) has not been specified.",
  runImage: "the run image of analyzed.toml",
};

async function resolve(command: ParsedCommand, context: ProcessContext, logger: Logger): Promise<ResolvedInputs> {
  const initial = initialSettings(command, context);
  refuseRunImageFlags(command, context.env);
  const analyzed = await readAnalyzed(initial.analyzedPath, logger);
  const settings = { ...initial, runImage: analyzedRunImage(analyzed, initial.analyzedPath) };
  checkSettings(settings, WORDS, logger);
  return { settings: withTuning(settings, command, context.cwd, logger), analyzed };
}

const FROM_ANALYZED = "Leave the flag out: the run image is the one of analyzed.toml; the analyzer takes -run-image.";

function refuseRunImageFlags({ flags }: ParsedCommand, env: Environment): void {
  const { runImage, image } = flags;
  if (runImage !== "" && runImage !== (env.CNB_RUN_IMAGE ?? ""))
    throw argumentFault("-run-image is unsupported", FROM_ANALYZED);
  if (image !== "") throw argumentFault("-image is unsupported", FROM_ANALYZED);
}

export function withTuning(
  settings: ReferenceSettings,
  { flags, machine }: ParsedCommand,
  cwd: string,
  logger: Logger,
): ExportSettings {
  const tuning = settingsOf("tuning", flags, cwd);
  if (isEventFileInside(settings.appDir, tuning.events))
    throw argumentFault(
      `-events (CNB_EXPORT_EVENTS) is ${tuning.events}, which is inside the app directory: it would change during the export`,
      "Name a file outside of the app directory.",
    );
  const workers = boundWorkers(tuning.workers, machine, logger);
  return { ...settings, tuning: { ...tuning, workers, fittingWorkers: fittingWorkers(machine.memory) } };
}
