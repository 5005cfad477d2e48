import type { CreateInputs } from "../inputs/create-inputs.ts";
import type { Environment } from "../inputs/environment.ts";
import type { Phase } from "./phase-arguments.ts";
import type { User } from "./user.ts";

/**
 * The environment of a phase: the creator's, plus the settings that have no flag at every Platform API (the API never
 * gates variables, docs/compatibility.md#environment-variables), minus the variables that make a standalone phase
 * behave unlike a phase of the reference's creator.
 * @param user whose HOME and USER detector and builder get (docs/compatibility.md#users-and-permissions); the other
 *   phases read credentials before they switch to that user
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
    // Without a daemon the analyzer would only warn that it is ignored, as the creator has done already.
    CNB_LAUNCH_CACHE_DIR: settings.daemon ? settings.launchCacheDir : undefined,
    // The same warning as the creator's, and nothing else.
    CNB_PARALLEL_EXPORT: undefined,
  };
  switch (phase) {
    case "analyzer":
      return shared;
    case "restorer":
      // It would fetch the build image for extensions, which there are none of.
      return { ...shared, CNB_BUILD_IMAGE: undefined };
    case "detector":
      // The creator refuses a group with extensions, whatever the mode.
      return { ...shared, ...user.environment, CNB_EXPERIMENTAL_MODE: "quiet" };
    case "builder":
      return { ...shared, ...user.environment };
  }
}
