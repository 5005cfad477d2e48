import { existsSync } from "node:fs";
import { parseEnvironmentAuth } from "../auth/docker-config.ts";
import { readRun, readStack } from "../build-output/run-images.ts";
import { gates } from "../cnb/api.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import type { RunImageNames } from "../cnb/lifecycle-metadata.ts";
import { failTo, withContext } from "../errors/fault.ts";
import { DEFAULT_ORDER, LAYERS_PLACEHOLDER, type SettingsOf, settingsOf } from "../inputs/flags.ts";
import type { ParsedCommand } from "../inputs/parse.ts";
import {
  argumentFault,
  checkSettings,
  guardLayout,
  initialSettings,
  type ProcessContext,
  type ReferenceSettings,
  withTuning,
} from "../inputs/settings.ts";
import type { Logger } from "../logger.ts";
import { parseReference } from "../oci/reference.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import { absolutePath, type Environment } from "../process/environment.ts";

interface BuildSettings extends SettingsOf<"build"> {
  /** Like the export's, but "" for an empty -layers: phases interpret it themselves, and nothing is chowned. */
  readonly layersDir: string;
}

/**
 * `settings.runImage` is as given, "" if the analyzer chooses. `runImages` is the given one, else the analyzer's
 * candidates.
 */
export interface CreateInputs {
  readonly settings: ExportSettings;
  readonly build: BuildSettings;
  readonly runImages: readonly string[];
}

const BUILDER_ORDER = "/cnb/order.toml";

/**
 * The reference's `Args` for the creator (docs/compatibility.md#creator): checks the arguments and fills in dependent
 * settings, in its order, then guards layout mode.
 *
 * Checks that there is a candidate run image, so that a wrong argument is reported before any phase runs; the analyzer
 * then selects a readable mirror, which needs the network.
 * @throws Fault with exit code 3, `failed to parse arguments: ...` or `failed to resolve inputs: ...`
 */
export async function resolveCreate(
  command: ParsedCommand,
  context: ProcessContext,
  logger: Logger,
): Promise<CreateInputs> {
  const { length } = command.positionals;
  if (length !== 1)
    throw failTo(
      "parse arguments",
      argumentFault(
        `received ${length} arguments, but expected 1`,
        "Name one image after the flags; add further names with -tag.",
      ),
      EXIT_CODES.invalidArgs,
    );
  const resolved = await resolve(command, context, logger).catch((error: unknown) => {
    throw failTo("resolve inputs", error, EXIT_CODES.invalidArgs);
  });
  guardLayout(resolved.settings, logger);
  return resolved;
}

const WORDS = {
  ineffectiveParallel:
    "Parallel export has been enabled, but it has not taken effect because no cache has been specified.",
  runImage: "-run-image (CNB_RUN_IMAGE)",
};

async function resolve(command: ParsedCommand, context: ProcessContext, logger: Logger): Promise<CreateInputs> {
  const initial = initialSettings(command, context);
  const settings = { ...initial, previousImage: initial.previousImage || initial.outputImage };
  const runImages = await findRunImages(settings, logger);
  if (settings.runImage === "") checkCredentials(context.env);
  checkSettings(settings, WORDS, logger);
  const build = buildSettings(command, context.cwd);
  return { settings: withTuning(settings, command, context.cwd, logger), build, runImages };
}

/** The reference needs them here already, to find a run image that can be read. */
function checkCredentials(env: Environment): void {
  try {
    parseEnvironmentAuth(env.CNB_REGISTRY_AUTH);
  } catch (error) {
    throw withContext("unable to create keychain", error);
  }
}

async function findRunImages(settings: ReferenceSettings, logger: Logger): Promise<readonly string[]> {
  const { outputImage, platformApi, runImage, runPath, stackPath } = settings;
  if (runImage !== "") return [runImage];
  parseReference(outputImage);
  if (!gates(platformApi).readsRunToml) return namesOf(await readStack(stackPath, logger));
  const [first] = await readRun(runPath, logger);
  if (first === undefined)
    throw argumentFault("-run-image is required when there is no run metadata available", NAME_RUN_IMAGE);
  return namesOf(first);
}

const NAME_RUN_IMAGE =
  "Give the run image with -run-image (CNB_RUN_IMAGE), or use a builder that has one in run.toml or stack.toml.";

function namesOf({ image, mirrors }: RunImageNames): readonly string[] {
  if (image === "") throw argumentFault("missing run image metadata (-run-image)", NAME_RUN_IMAGE);
  return [image, ...mirrors];
}

function buildSettings({ flags }: ParsedCommand, cwd: string): BuildSettings {
  const absolute = (path: string) => (path === "" ? path : absolutePath(cwd, path));
  const given = settingsOf("build", flags, cwd);
  return {
    ...given,
    buildConfigDir: absolute(given.buildConfigDir),
    buildpacksDir: absolute(given.buildpacksDir),
    layersDir: absolute(flags.layers),
    orderPath: orderPath(given.orderPath, flags.layers, cwd),
    platformDir: absolute(given.platformDir),
  };
}

function orderPath(given: string, layersDir: string, cwd: string): string {
  const path = given.replace(LAYERS_PLACEHOLDER, () => layersDir);
  return given === DEFAULT_ORDER && !existsSync(absolutePath(cwd, path)) ? BUILDER_ORDER : path;
}
