import { posix } from "node:path";
import type { BuildMetadata } from "../cnb/build-metadata.ts";
import { Fault } from "../faults/fault.ts";
import type { Logger } from "../flow/logger.ts";

const PROCESS_DIR = "/cnb/process";
const LAUNCHER = "/cnb/lifecycle/launcher";

/**
 * The path that the app image starts with (docs/compatibility.md#environment-and-entrypoint). A buildpack's default
 * type is not checked.
 * @param requested the user's default process type, "" for none
 * @throws Fault `determining entrypoint: ...` if there is no process of the requested type
 */
export function chooseEntrypoint(
  requested: string,
  { processes, defaultProcessType }: Pick<BuildMetadata, "processes" | "defaultProcessType">,
  logger: Logger,
): string {
  if (requested !== "" && !(processes ?? []).some(({ type }) => type === requested))
    throw new Fault(
      "EXPORT_IMAGE_PROCESS_TYPE",
      `determining entrypoint: tried to set ${requested} to default but it doesn't exist`,
      { hint: `Known process types: ${(processes ?? []).map(({ type }) => type).join(", ") || "none"}.` },
    );
  const type = requested || defaultProcessType;
  if (type === "") {
    logger.info("no default process type");
    return LAUNCHER;
  }
  logger.info(`Setting default process type '${type}'`);
  return posix.join(PROCESS_DIR, type);
}
