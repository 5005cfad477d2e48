import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { failTo } from "../faults/fault.ts";
import type { Logger } from "../flow/logger.ts";
import { readAnalyzed } from "./analyzed.ts";
import { analyzedRunImage } from "./analyzed-run-image.ts";
import { argumentFault } from "./argument-fault.ts";
import { hasCache, warnUnusedLaunchCache, warnWithoutCache } from "./cache-warnings.ts";
import type { RunCommand } from "./command-line.ts";
import type { Environment } from "./environment.ts";
import { guardLayout } from "./experimental.ts";
import type { Analyzed, ExportSettings } from "./export-inputs.ts";
import { checkReferences, checkSameRegistry, requireOutputImage } from "./image-checks.ts";
import { initialSettings, type ReferenceSettings } from "./initial-settings.ts";
import { makePathsAbsolute, replacePlaceholders } from "./settings-paths.ts";
import { parseTuning } from "./tuning.ts";

/** What resolving needs of the process: its environment and its working directory (absolute). */
export interface ProcessContext {
  readonly env: Environment;
  readonly cwd: string;
}

/** What is known when the arguments are resolved. analyzed.toml is read here, once. */
export interface ResolvedInputs {
  readonly settings: ExportSettings;
  readonly analyzed: Analyzed;
}

/**
 * The reference's `Args` (docs/compatibility.md#input-resolution): checks the arguments and fills in dependent
 * settings, in its order, then guards layout mode.
 * @throws Fault with exit code 3, `failed to parse arguments: ...` or `failed to resolve inputs: ...`
 */
export async function resolveSettings(
  command: RunCommand,
  process: ProcessContext,
  logger: Logger,
): Promise<ResolvedInputs> {
  if (command.positionals.length === 0)
    throw failTo("parse arguments", argumentFault("at least one image argument is required"), EXIT_CODES.invalidArgs);
  const resolved = await resolve(command, process, logger).catch((error: unknown) => {
    throw failTo("resolve inputs", error, EXIT_CODES.invalidArgs);
  });
  guardLayout(resolved.settings, logger);
  return resolved;
}

async function resolve(command: RunCommand, process: ProcessContext, logger: Logger): Promise<ResolvedInputs> {
  const placed = replacePlaceholders(initialSettings(command, process.env));
  const located = makePathsAbsolute(placed, process.cwd);
  requireOutputImage(located);
  refuseRunImageFlags(command, process.env);
  const analyzed = await readAnalyzed(located.analyzedPath, logger);
  const settings = { ...located, runImage: analyzedRunImage(analyzed, located.analyzedPath) };
  warnWithoutCache(settings, logger);
  warnUnusedLaunchCache(settings, logger);
  checkReferences(settings);
  checkSameRegistry(settings);
  warnIneffectiveParallel(settings, logger);
  return { settings: { ...settings, tuning: parseTuning(command, process.cwd, logger) }, analyzed };
}

/**
 * The exporter takes the run image from analyzed.toml; its flags are always rejected (step 4 of
 * docs/compatibility.md#input-resolution).
 */
function refuseRunImageFlags({ flags }: RunCommand, env: Environment): void {
  const runImage = flags.string("run-image");
  if (runImage !== "" && runImage !== (env.CNB_RUN_IMAGE ?? "")) throw argumentFault("-run-image is unsupported");
  if (flags.string("image") !== "") throw argumentFault("-image is unsupported");
}

/** RFC 0125's warning, which the reference's exporter lacks (docs/compatibility.md#parallel-without-cache). */
function warnIneffectiveParallel(settings: ReferenceSettings, logger: Logger): void {
  if (settings.parallel && !hasCache(settings))
    logger.warn(
      "parallel export has been enabled, but it has not taken effect because cache image (-cache-image) has not been specified.",
    );
}
