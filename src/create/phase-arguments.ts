import { gates, type PlatformGate } from "../cnb/platform-api.ts";
import type { CreateInputs } from "../inputs/create-inputs.ts";

/** The phases that the creator runs as programs; the export it does itself. */
export type Phase = "analyzer" | "detector" | "restorer" | "builder";

/** What a phase is told. */
type PhaseInputs = Pick<CreateInputs, "settings" | "build">;

/** A flag of a phase: its value, or its values for a list; it exists only where the gate holds (lifecycle cmd/lifecycle). */
interface PhaseFlag {
  readonly name: string;
  readonly value: string | number | boolean | readonly string[];
  readonly since?: PlatformGate;
  readonly until?: PlatformGate;
}

/**
 * The arguments of a phase. Every value that the creator has resolved is given, so that no phase decides by itself; what
 * the creator has no flag for, and what not every Platform API has a flag for, is in {@link phaseEnvironment}.
 */
export function phaseArguments(phase: Phase, { settings, build }: PhaseInputs): string[] {
  const holds = gates(settings.platformApi);
  const flags = FLAGS[phase]({ settings, build }).filter(
    ({ since, until }) => (since === undefined || holds[since]) && (until === undefined || !holds[until]),
  );
  const positionals = phase === "analyzer" ? [settings.outputImage] : [];
  return [...flags.flatMap(render), ...positionals];
}

/** False and empty values are written out as well: the environment may say something else. */
function render({ name, value }: PhaseFlag): string[] {
  if (typeof value === "boolean") return [`-${name}=${value}`];
  const values = typeof value === "object" ? value : [String(value)];
  return values.flatMap((text) => [`-${name}`, text]);
}

const FLAGS: Readonly<Record<Phase, (inputs: PhaseInputs) => readonly PhaseFlag[]>> = {
  analyzer: ({ settings }) => [
    { name: "analyzed", value: settings.analyzedPath },
    { name: "cache-image", value: settings.cacheImage },
    { name: "daemon", value: settings.daemon },
    ...user(settings),
    ...common(settings),
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
    ...common(settings),
    { name: "order", value: build.orderPath },
    { name: "run", value: settings.runPath, since: "readsRunToml" },
    { name: "system", value: build.systemPath, since: "hasSystemFlag" },
  ],
  restorer: ({ settings }) => [
    { name: "analyzed", value: settings.analyzedPath },
    { name: "cache-dir", value: settings.cacheDir },
    { name: "cache-image", value: settings.cacheImage },
    { name: "daemon", value: settings.daemon, since: "restorerHasImageFlags" },
    ...user(settings),
    { name: "group", value: settings.groupPath },
    ...common(settings),
    ...layout(settings),
    { name: "run", value: settings.runPath, since: "restorerReadsRunToml" },
  ],
  builder: ({ settings, build }) => [
    { name: "analyzed", value: settings.analyzedPath, since: "builderReadsAnalyzed" },
    ...buildpacks({ settings, build }),
    { name: "group", value: settings.groupPath },
    ...common(settings),
  ],
};

type Settings = CreateInputs["settings"];

/** What each phase has. */
function common({ layersDir, logLevel, noColor }: Settings): PhaseFlag[] {
  return [
    { name: "layers", value: layersDir },
    { name: "log-level", value: logLevel },
    { name: "no-color", value: noColor },
  ];
}

/** What detector and builder have. */
function buildpacks({ settings, build }: PhaseInputs): PhaseFlag[] {
  return [
    { name: "app", value: settings.appDir },
    { name: "build-config", value: build.buildConfigDir, since: "hasBuildConfigFlag" },
    { name: "buildpacks", value: build.buildpacksDir },
    { name: "platform", value: build.platformDir },
  ];
}

/** Analyzer and restorer become this user by themselves, when they have read credentials. */
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
