import type { LauncherRelease } from "../cnb/build-metadata.ts";

/** What `-version` prints: the package's version. */
export const VERSION = "0.1.0";

/**
 * The lifecycle build that the build metadata label names (contract 5.4): unset values, as of a reference that was built
 * without them.
 */
export const LAUNCHER_RELEASE: LauncherRelease = { version: "0.0.0", repository: "", commit: "" };
