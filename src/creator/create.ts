import { analyzedRunImage, readAnalyzed } from "../build-output/analyzed.ts";
import { refuseTracingBuildpack } from "../build-output/group.ts";
import { orderHasExtensions } from "../build-output/order.ts";
import { gates } from "../cnb/api.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { threadClock } from "../concurrency/clock.ts";
import { EarlyExport } from "../early/early-export.ts";
import { Fault } from "../errors/fault.ts";
import { type ExportDependencies, exportBuild, requireOutputs } from "../export/setup.ts";
import { NO_CACHE } from "../inputs/settings.ts";
import type { Logger } from "../logger.ts";
import { type OpenSpan, openTelemetry, TRACEPARENT_ENV, warnTelemetry } from "../observe/telemetry/telemetry.ts";
import type { EarlierSpan } from "../observe/timeline/timeline.ts";
import { type Analyzed, cacheKind, type ExportSettings, type ResolvedInputs } from "../plan/inputs.ts";
import type { Environment } from "../process/environment.ts";
import { asUser, runAs } from "../process/privileges.ts";
import type { CommandOutput } from "../report/output.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type Phase, type PhaseStart, phaseArguments, phaseEnvironment, runPhase } from "./phases.ts";
import { extensionsFault, readGroupWithoutExtensions, refuseMissingCache, refuseMissingRunImage } from "./refusals.ts";
import type { CreateInputs } from "./settings.ts";
import type { User } from "./user.ts";

/** As analyzer and detector left it, before a buildpack could change their files (docs/compatibility.md#creator). */
interface Prepared {
  readonly analyzed: Analyzed;
  readonly group: readonly GroupElement[];
}

/**
 * Chooses the run image. Like the reference, uses the name by which the run image was chosen, while the exporter uses
 * the analyzed digest (docs/compatibility.md#creator). From API 0.12 on the name is in analyzed.toml; below, it is
 * known only if the user gave it, and otherwise the digest is used. A layout has no names.
 * @throws Fault if analyzed.toml had no run image
 */
export function createdInputs(settings: ExportSettings, { analyzed, group }: Prepared): ResolvedInputs {
  return { settings: { ...settings, runImage: chosenRunImage(settings, analyzed) }, analyzed, group };
}

function chosenRunImage({ layout, runImage, analyzedPath }: ExportSettings, analyzed: Analyzed): string {
  const name = layout ? "" : runImage || analyzed.runImage?.image || "";
  return name === "" ? analyzedRunImage(analyzed, analyzedPath) : name;
}

export interface CreateDependencies extends ExportDependencies {
  readonly lifecycle: Lifecycle;
  readonly user: User;
  readonly logger: Logger & { phase(name: string): void };
  readonly output: CommandOutput;
  readonly buildSpan?: OpenSpan | undefined;
}

interface BuildDependencies extends CreateDependencies {
  readonly phases: EarlierSpan[];
}

/**
 * Runs the phases of a build, then exports the result (docs/compatibility.md#creator).
 * @returns 0, or the exit code of the failed phase, which has reported its error
 * @throws Fault with an exit code; the signal's reason
 */
export async function createImage(
  inputs: CreateInputs,
  dependencies: CreateDependencies,
  signal: AbortSignal,
): Promise<number> {
  const { user, logger } = dependencies;
  // The layers directory is the user's, who could have left a link in it for root to follow.
  const telemetry = asUser(user.uid, user.gid, () => openTelemetry("create", { ...inputs, ...dependencies }));
  const span = telemetry?.start("create");
  try {
    await buildAndExport(inputs, { ...dependencies, buildSpan: span, phases: [] }, signal);
    span?.end();
    return EXIT_CODES.success;
  } catch (error) {
    span?.end(error);
    if (error instanceof PhaseFailure) return error.phaseExitCode;
    throw error;
  } finally {
    const unwritten = await telemetry?.close();
    if (unwritten !== undefined) warnTelemetry(logger, unwritten);
  }
}

async function buildAndExport(
  inputs: CreateInputs,
  dependencies: BuildDependencies,
  signal: AbortSignal,
): Promise<void> {
  const prepared = await prepareBuild(inputs, dependencies, signal);
  const { logger, user } = dependencies;
  const environment = { ...dependencies.environment, ...user.environment };
  runAs(user.uid, user.gid);
  const { settings } = inputs;
  const { early: mode } = inputs.build;
  const early = mode === "none" ? undefined : new EarlyExport({ ...dependencies, environment, settings, mode });
  try {
    logger.phase("BUILDING");
    const onStart = (pid: number) => early?.watch(pid);
    await runOne("builder", inputs, dependencies, { onStart }, signal).finally(() => early?.end());
    logger.phase("EXPORTING");
    const created = createdInputs(settings, prepared);
    const telemetry = { span: dependencies.buildSpan?.startChild("export") };
    const earlier = () => [...dependencies.phases, ...(early?.spans ?? [])];
    await exportBuild(created, { ...dependencies, environment, telemetry, early, earlier }, signal);
  } finally {
    await early?.close();
  }
}

/** Never shown: the phase has reported its error. */
class PhaseFailure extends Fault {
  readonly phaseExitCode: number;

  constructor(exitCode: number) {
    super("EXPORT_PHASE_FAILED", `a phase ended with exit code ${exitCode}`);
    this.phaseExitCode = exitCode;
  }
}

/**
 * Analyzer and restorer start with the creator's privileges, because they read credentials and open the daemon's socket
 * before they drop them. The detector refuses to run as root and has no flags for a user, so it starts as the user;
 * from the build on, nothing needs privileges.
 */
async function prepareBuild(
  inputs: CreateInputs,
  dependencies: BuildDependencies,
  signal: AbortSignal,
): Promise<Prepared> {
  const { settings, build } = inputs;
  const { logger, user } = dependencies;
  const run = (title: string, phase: Phase, how: PhaseOptions = {}) => {
    logger.phase(title);
    return runOne(phase, inputs, dependencies, how, signal);
  };
  refuseMissingCache(settings);
  asUser(user.uid, user.gid, () => requireOutputs(settings));
  await run("ANALYZING", "analyzer");
  const analyzed = await readAnalyzed(settings.analyzedPath, logger);
  refuseMissingRunImage(settings, analyzed);
  await detect(inputs, dependencies, signal);
  const group = await readGroupWithoutExtensions(settings);
  if (settings.tuning.telemetry) refuseTracingBuildpack(group);
  const prepared = { analyzed, group };
  if (build.skipRestore && !gates(settings.platformApi).alwaysRestores) return prepared;
  // Without a cache the restorer would repeat the creator's warning.
  const how = cacheKind(settings) === "none" ? { filter: (line: string) => !line.endsWith(NO_CACHE) } : {};
  await run("RESTORING", "restorer", how);
  return prepared;
}

/** How the detector reports that it cannot read a directory as run.toml, once it has detected extensions. */
const GENERATOR_FAILURE = /failed to initialize generator: failed to read run file: read \/: is a directory$/;

/**
 * The detector generates Dockerfiles as soon as it has detected extensions, which the reference's creator never does.
 * So if there are extensions in the order, the detector gets a directory as run.toml, which it reads only to generate
 * (docs/compatibility.md#creator-extensions).
 */
async function detect(inputs: CreateInputs, dependencies: BuildDependencies, signal: AbortSignal): Promise<void> {
  const { user, logger } = dependencies;
  logger.phase("DETECTING");
  if (!(await orderHasExtensions(inputs.build.orderPath)))
    return runOne("detector", inputs, dependencies, { user }, signal);
  let hasDetectedExtensions = false;
  const filter = (line: string) => {
    const isFailure = GENERATOR_FAILURE.test(line);
    hasDetectedExtensions ||= isFailure;
    return !isFailure;
  };
  const withoutRun = { ...inputs, settings: { ...inputs.settings, runPath: "/" } };
  await runOne("detector", withoutRun, dependencies, { user, filter }, signal).catch((error: unknown) => {
    throw hasDetectedExtensions && error instanceof PhaseFailure ? extensionsFault() : error;
  });
}

type PhaseOptions = Pick<PhaseStart, "user" | "onStart" | "filter">;

/** As in RFC 0131. */
const SPAN_NAMES = { analyzer: "analyze", detector: "detect", restorer: "restore", builder: "build" } as const;

async function runOne(
  phase: Phase,
  inputs: CreateInputs,
  { lifecycle, user, environment, logger, output, phases, buildSpan: parent }: BuildDependencies,
  how: PhaseOptions,
  signal: AbortSignal,
): Promise<void> {
  const span = parent?.startChild(SPAN_NAMES[phase]);
  const start = {
    program: lifecycle[phase],
    output,
    args: phaseArguments(phase, inputs),
    env: { ...phaseEnvironment(phase, inputs, user, environment), ...traceVariable(span) },
    ...how,
  };
  const startMs = threadClock();
  try {
    const exitCode = await runPhase(phase, start, signal);
    phases.push({ kind: "phase", name: SPAN_NAMES[phase], startMs, endMs: threadClock() });
    logger.debug(`The ${phase} ended with exit code ${exitCode}`);
    span?.set({ "phase.exit_code": BigInt(exitCode) });
    if (exitCode !== EXIT_CODES.success) throw new PhaseFailure(exitCode);
    span?.end();
  } catch (error) {
    span?.end(error);
    throw error;
  }
}

function traceVariable(span: OpenSpan | undefined): Environment {
  return span === undefined ? {} : { [TRACEPARENT_ENV]: span.traceparent };
}
