import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { gates } from "../cnb/platform-api.ts";
import { type ProcessParts, runExport } from "../export/run-export.ts";
import type { Logger } from "../flow/logger.ts";
import type { CreateInputs } from "../inputs/create-inputs.ts";
import { readCreatedInputs } from "../inputs/created-inputs.ts";
import { runAs } from "../privileges.ts";
import type { CommandOutput } from "../report/command-output.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type Phase, phaseArguments } from "./phase-arguments.ts";
import { phaseEnvironment } from "./phase-environment.ts";
import { runPhase } from "./phase-process.ts";
import {
  refuseExtensions,
  refuseMissingCache,
  refuseMissingEventsDirectory,
  refuseMissingRunImage,
} from "./refusals.ts";
import type { User } from "./user.ts";

/** What the creator needs of the process that it runs in. */
export interface CreateParts extends ProcessParts {
  readonly lifecycle: Lifecycle;
  /** Whose the build is; the process becomes that user before the build. */
  readonly user: User;
  readonly logger: Logger & { phase(name: string): void };
  readonly output: CommandOutput;
}

/**
 * Runs the phases of a build, then exports the result (docs/compatibility.md#creator).
 * @returns 0, or the exit code of the phase that failed and has reported why
 * @throws Fault with an exit code; the signal's reason
 */
export async function createImage(inputs: CreateInputs, parts: CreateParts, signal: AbortSignal): Promise<number> {
  const exitCode = await runPhases(inputs, parts, signal);
  if (exitCode !== EXIT_CODES.success) return exitCode;
  const { logger, user } = parts;
  logger.phase("EXPORTING");
  const environment = { ...parts.environment, ...user.environment };
  await runExport(await readCreatedInputs(inputs.settings, logger), { ...parts, environment }, signal);
  return EXIT_CODES.success;
}

/**
 * Analyzer and restorer are started with the rights of the creator, because they read credentials and open the daemon
 * before they give up theirs. The detector refuses to run as root and has no flags for a user, so it is started as the user;
 * from the build on nobody needs more rights.
 */
async function runPhases(inputs: CreateInputs, parts: CreateParts, signal: AbortSignal): Promise<number> {
  const { settings, build } = inputs;
  const { user, logger } = parts;
  const run = (title: string, phase: Phase, startAs?: User) => {
    logger.phase(title);
    return runOne(phase, inputs, parts, startAs, signal);
  };
  refuseMissingCache(settings);
  refuseMissingEventsDirectory(settings);
  const analyzed = await run("ANALYZING", "analyzer");
  if (analyzed !== EXIT_CODES.success) return analyzed;
  await refuseMissingRunImage(settings, logger);
  const detected = await run("DETECTING", "detector", user);
  if (detected !== EXIT_CODES.success) return detected;
  await refuseExtensions(settings);
  if (!build.skipRestore || gates(settings.platformApi).alwaysRestores) {
    const restored = await run("RESTORING", "restorer");
    if (restored !== EXIT_CODES.success) return restored;
  }
  runAs(user.uid, user.gid);
  return run("BUILDING", "builder");
}

async function runOne(
  phase: Phase,
  inputs: CreateInputs,
  { lifecycle, user, environment, logger, output }: CreateParts,
  startAs: User | undefined,
  signal: AbortSignal,
): Promise<number> {
  const start = {
    program: lifecycle[phase],
    output,
    args: phaseArguments(phase, inputs),
    env: phaseEnvironment(phase, inputs, user, environment),
    ...(startAs === undefined ? {} : { user: startAs }),
  };
  const exitCode = await runPhase(phase, start, signal);
  logger.debug(`The ${phase} ended with exit code ${exitCode}`);
  return exitCode;
}
