import type { CaseInput, FileInput } from "../recorded-case.ts";
import type { Destination } from "./destination.ts";
import { drawLauncherSboms } from "./documents.ts";
import type { Draw } from "./draw.ts";

/** A call of the command. */
export interface Invocation
  extends Required<Pick<CaseInput, "platformApi" | "args" | "env" | "reportPath" | "unordered">> {
  /** Files that flags point at. */
  readonly files: readonly FileInput[];
}

export const PLATFORM_APIS = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"];
const ROOT = "/tmp/tandem-case";

const EPOCHS = ["0", "1700000000", "-1", "+5", "253402300799", "x", "", "1.5"];

/** A call with any combination of what a Platform API has. */
export function drawInvocation(
  draw: Draw,
  platformApi: string,
  destination: Destination,
  types: readonly string[],
): Invocation {
  const minor = Number(platformApi.replace(/.*\./, ""));
  const files: FileInput[] = [];
  const env: Record<string, string> = { ...destination.env };
  const args: string[] = [];
  const set = (flag: string, variable: string, value: string) => {
    if (variable !== "" && draw.chance(0.2)) env[variable] = value;
    else args.push(...draw.pick([[`-${flag}`, value], [`-${flag}=${value}`], [`--${flag}`, value]]));
  };
  if (draw.chance(0.85)) args.push("-no-color");
  const level = draw.weighted([
    [14, "debug"],
    [3, "info"],
    [1, "warn"],
    [1, "error"],
    [1, ""],
  ] as const);
  if (level !== "") set("log-level", "CNB_LOG_LEVEL", level);
  set(
    "layers",
    "CNB_LAYERS_DIR",
    draw.weighted([
      [18, `${ROOT}/layers`],
      [1, "layers"],
      [1, `${ROOT}/./layers/`],
    ]),
  );
  set(
    "app",
    "CNB_APP_DIR",
    draw.weighted([
      [18, `${ROOT}/workspace`],
      [1, "workspace"],
      [1, `${ROOT}/x/../workspace/`],
    ]),
  );
  set("launcher", "", `${ROOT}/launcher`);
  const [uid, gid] = draw.weighted([
    [16, [1000, 1000]],
    [2, [0, 0]],
    [1, [1000, 0]],
    [1, [2_097_152, 2_097_152]],
  ] as const);
  if (uid !== 0) set("uid", "CNB_USER_ID", String(uid));
  if (gid !== 0) set("gid", "CNB_GROUP_ID", String(gid));
  if (minor >= 12 && draw.chance(0.7)) set("run", "CNB_RUN_PATH", `${ROOT}/run.toml`);
  if (minor < 12 && draw.chance(0.7)) set("stack", "CNB_STACK_PATH", `${ROOT}/stack.toml`);
  for (const name of draw.some(["analyzed", "group", "project-metadata"], 0.07))
    set(
      name,
      `CNB_${name.replace("-", "_").toUpperCase()}_PATH`,
      `${draw.pick([`${ROOT}/layers`, "<layers>"])}/${name}.toml`,
    );
  if (draw.chance(0.2)) set("process-type", "CNB_PROCESS_TYPE", draw.pick([...types, ...types, "nosuch"]));
  if (minor >= 11 && draw.chance(0.3)) {
    files.push(...drawLauncherSboms(draw));
    set("launcher-sbom", "", `${ROOT}/launcher-sbom`);
  }
  if (minor >= 13 && draw.chance(0.1)) set("insecure-registry", "CNB_INSECURE_REGISTRIES", "{registry}");
  if (draw.chance(0.2)) env.SOURCE_DATE_EPOCH = draw.pick(EPOCHS);
  if (draw.chance(0.1)) env.CNB_EXEC_ENV = draw.pick(["test", "é", "<&>"]);
  const reportPath = draw.weighted([
    [8, "layers/report.toml"],
    [1, "layers/deep/er/report.toml"],
    [1, "layers/r.toml"],
  ] as const);
  if (reportPath !== "layers/report.toml")
    set(
      "report",
      "CNB_REPORT_PATH",
      draw.chance(0.5) ? `${ROOT}/${reportPath}` : reportPath.replace("layers", "<layers>"),
    );
  const parallel = draw.chance(0.2);
  if (parallel) args.push("-parallel");
  args.push(...destination.flags, ...destination.positionals);
  return { platformApi, args, env, reportPath, unordered: parallel && destination.hasCache, files };
}
