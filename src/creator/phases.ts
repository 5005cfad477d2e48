import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { gates, type PlatformGate } from "../cnb/api.ts";
import { Fault, failTo } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";
import { childCommand, interpreterFlaw, isForeign } from "../process/children.ts";
import type { Environment } from "../process/environment.ts";
import { StopFault } from "../process/signals.ts";
import type { CommandOutput, LineSink } from "../report/output.ts";
import type { CreateInputs } from "./settings.ts";
import type { User } from "./user.ts";

export type Phase = "analyzer" | "detector" | "restorer" | "builder";

type PhaseInputs = Pick<CreateInputs, "settings" | "build">;

interface PhaseFlag {
  readonly name: string;
  readonly value: string | number | boolean | readonly string[];
  readonly since?: PlatformGate;
  readonly until?: PlatformGate;
}

/**
 * Passes every value that the creator has resolved, false and empty ones too, so that no phase applies its own defaults
 * or the environment's (lifecycle cmd/lifecycle). Values without a flag at every Platform API are in {@link
 * phaseEnvironment}.
 */
export function phaseArguments(phase: Phase, { settings, build }: PhaseInputs): string[] {
  const holds = gates(settings.platformApi);
  const flags = FLAGS[phase]({ settings, build }).filter(
    ({ since, until }) => (since === undefined || holds[since]) && (until === undefined || !holds[until]),
  );
  const positionals = phase === "analyzer" ? [settings.outputImage] : [];
  return [...flags.flatMap(render), ...positionals];
}

function render({ name, value }: PhaseFlag): string[] {
  if (typeof value === "boolean") return [`-${name}=${value}`];
  const values = typeof value === "object" ? value : [String(value)];
  return values.flatMap((text) => [`-${name}`, text]);
}

const FLAGS: Readonly<Record<Phase, (inputs: PhaseInputs) => readonly PhaseFlag[]>> = {
  analyzer: ({ settings, build }) => [
    { name: "analyzed", value: settings.analyzedPath },
    { name: "cache-image", value: settings.cacheImage },
    { name: "daemon", value: settings.daemon },
    ...user(settings),
    ...common({ settings, build }),
    ...layout(settings),
    { name: "previous-image", value: settings.previousImage },
    { name: "run", value: settings.runPath, since: "readsRunToml" },
    { name: "run-image", value: settings.runImage },
    { name: "stack", value: settings.stackPath, until: "readsRunToml" },
    { name: "tag", value: settings.additionalTags },
  ],
  detector: ({ settings, build }) => [
    { name: "analyzed", value: settings.analyzedPath, since: "detectorReadsAnalyzed" },
    ...buildpacks({ settings, build }),
    { name: "group", value: settings.groupPath },
    ...common({ settings, build }),
    { name: "order", value: build.orderPath },
    { name: "run", value: settings.runPath, since: "readsRunToml" },
    { name: "system", value: build.systemPath, since: "hasSystemFlag" },
  ],
  restorer: ({ settings, build }) => [
    { name: "analyzed", value: settings.analyzedPath },
    { name: "cache-dir", value: settings.cacheDir },
    { name: "cache-image", value: settings.cacheImage },
    { name: "daemon", value: settings.daemon, since: "restorerHasImageFlags" },
    ...user(settings),
    { name: "group", value: settings.groupPath },
    ...common({ settings, build }),
    ...layout(settings),
    { name: "run", value: settings.runPath, since: "restorerReadsRunToml" },
  ],
  builder: ({ settings, build }) => [
    { name: "analyzed", value: settings.analyzedPath, since: "builderReadsAnalyzed" },
    ...buildpacks({ settings, build }),
    { name: "group", value: settings.groupPath },
    ...common({ settings, build }),
  ],
};

type Settings = CreateInputs["settings"];

function common({ settings, build }: PhaseInputs): PhaseFlag[] {
  return [
    { name: "layers", value: build.layersDir },
    { name: "log-level", value: settings.logLevel },
    { name: "no-color", value: settings.noColor },
  ];
}

function buildpacks({ settings, build }: PhaseInputs): PhaseFlag[] {
  return [
    { name: "app", value: settings.appDir },
    { name: "build-config", value: build.buildConfigDir, since: "hasBuildConfigFlag" },
    { name: "buildpacks", value: build.buildpacksDir },
    { name: "platform", value: build.platformDir },
  ];
}

function user({ uid, gid }: Settings): PhaseFlag[] {
  return [
    { name: "uid", value: uid },
    { name: "gid", value: gid },
  ];
}

function layout(settings: Settings): PhaseFlag[] {
  return [
    { name: "layout", value: settings.layout, since: "hasLayoutFlags" },
    { name: "layout-dir", value: settings.layoutDir, since: "hasLayoutFlags" },
  ];
}

/**
 * The environment of a phase: the creator's, plus the settings without a flag at some Platform API (the API never gates
 * variables, docs/compatibility.md#environment-variables), minus the variables that make a standalone phase behave
 * unlike a phase of the reference's creator. Detector and builder get no credentials.
 * @param user provides HOME and USER of detector and builder (docs/compatibility.md#users-and-permissions); the other
 * phases read credentials before they switch to that user
 */
export function phaseEnvironment(
  phase: Phase,
  { settings, build }: CreateInputs,
  user: User,
  env: Environment,
): Environment {
  const shared: Environment = {
    ...env,
    CNB_INSECURE_REGISTRIES: settings.insecureRegistries.join(","),
    CNB_SKIP_LAYERS: String(build.skipRestore),
    CNB_SKIP_RESTORE: undefined,
    // Without a daemon the analyzer would repeat the creator's warning that it is ignored.
    CNB_LAUNCH_CACHE_DIR: settings.daemon ? settings.launchCacheDir : undefined,
    // It would only repeat the creator's warning.
    CNB_PARALLEL_EXPORT: undefined,
  };
  // The creator has warned about a layout, and rejects groups with extensions in any mode.
  const quiet = { CNB_EXPERIMENTAL_MODE: "quiet" };
  switch (phase) {
    case "analyzer":
      return { ...shared, ...quiet };
    case "restorer":
      // It would pull the build image for extensions, which the creator does not support.
      return { ...shared, ...quiet, CNB_BUILD_IMAGE: undefined };
    case "detector":
      return { ...withoutSecrets(shared), ...user.environment, ...quiet, CNB_RUN_PATH: settings.runPath };
    case "builder":
      return { ...withoutSecrets(shared), ...user.environment };
  }
}

/** Variables that buildpacks get (lifecycle env/build.go) and that the detector and the builder read. */
const BUILD_VARIABLES = new Set([
  ...["HOSTNAME", "HOME", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"],
  ...["PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH"],
  ...["TMPDIR", "TZ", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"],
]);

/**
 * Buildpacks run as the same user as the detector and the builder and can read the environment of both in /proc. The
 * kernel hides that of a process that has been root, such as the creator, here as in the reference.
 */
function withoutSecrets(env: Environment): Environment {
  const isForBuilds = (name: string) => name.startsWith("CNB_") && name !== "CNB_REGISTRY_AUTH";
  return Object.fromEntries(Object.entries(env).filter(([name]) => isForBuilds(name) || BUILD_VARIABLES.has(name)));
}

export interface PhaseStart {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
  readonly output: CommandOutput;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly onStart?: ((pid: number) => void) | undefined;
  /** Receives each line of standard output; lines for which it returns false are dropped. */
  readonly filter?: (line: string) => boolean;
}

/**
 * Runs a phase and forwards its output in order. A stop signal is forwarded to the phase and all processes that it
 * started, which may take their time; if the creator's process ends first, they are killed.
 * @returns its exit code
 * @throws Fault if it cannot be started, or was killed by a signal; the abort signal's reason
 */
export async function runPhase(phase: Phase, start: PhaseStart, signal: AbortSignal): Promise<number> {
  const { output, filter } = start;
  const [out, err] = await output.passOn(signal);
  signal.throwIfAborted();
  // A session and process group of its own, so that the processes of a buildpack can be stopped with it
  // (docs/compatibility.md#creator-sessions).
  const { program, args } = childCommand(start.program, start.args, start.env.PATH);
  const child = spawn(program, args, {
    env: start.env,
    stdio: ["ignore", filter === undefined ? out : "pipe", err],
    detached: true,
    ...start.user,
  });
  if (child.pid !== undefined) start.onStart?.(child.pid);
  const stop = () => signalGroup(child, signal.reason instanceof StopFault ? signal.reason.signal : "SIGTERM");
  const kill = () => signalGroup(child, "SIGKILL");
  signal.addEventListener("abort", stop);
  process.on("exit", kill);
  try {
    await Promise.all([once(child, "exit"), passLines(child.stdout, output.out, filter)]);
  } catch (error) {
    throw startFault(phase, start.program, pathFault("EXPORT_PHASE_START", "fork/exec", start.program, error));
  } finally {
    signal.removeEventListener("abort", stop);
    // After a stop or a kill, remaining processes of the phase have no purpose and would keep the output open.
    if (!signal.aborted && child.signalCode === null) process.off("exit", kill);
  }
  signal.throwIfAborted();
  const exitCode = child.exitCode ?? 0;
  // A shell's exit codes if it cannot execute the program; no phase has them (docs/compatibility.md#exit-codes).
  const hasShellFailed = program !== start.program && [126, 127].includes(exitCode);
  // What the kernel cannot execute, execvp(3) has a shell run as a script, with errors of its syntax, too.
  if (hasShellFailed || ([2, 126, 127].includes(exitCode) && isForeign(start.program)))
    throw startFault(phase, start.program, new Fault("EXPORT_PHASE_START", `${start.program} cannot be executed`));
  if (child.exitCode !== null) return child.exitCode;
  throw signalFault(phase, child.signalCode ?? "SIGKILL");
}

async function passLines(stream: Readable | null, sink: LineSink, filter: PhaseStart["filter"]): Promise<void> {
  if (stream === null || filter === undefined) return;
  for await (const line of createInterface({ input: stream })) if (filter(line)) sink.write(`${line}\n`);
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // The group has just ended.
  }
}

/** @param otherwise the fault unless the program itself explains it */
function startFault(phase: Phase, program: string, otherwise: Fault): Fault {
  const foreign = isForeign(program) ? `${program} is a program for another processor` : undefined;
  const flaw = interpreterFlaw(program) ?? foreign;
  const fault = flaw === undefined ? otherwise : new Fault(otherwise.code, flaw, { cause: otherwise });
  return failTo(`start the ${phase}`, fault);
}

function signalFault(phase: Phase, name: NodeJS.Signals): Fault {
  const hint = "Give the machine or its container more memory, unless something stopped the phase on purpose.";
  return new Fault("EXPORT_PHASE_KILLED", `the ${phase} was killed by ${name}`, {
    exitCode: 128 + constants.signals[name],
    ...(name === "SIGKILL" ? { hint } : {}),
  });
}
