import type { CreateInputs } from "../inputs/create-inputs.ts";
import type { Environment } from "../inputs/environment.ts";
import type { Phase } from "./phase-arguments.ts";
import type { User } from "./user.ts";

/**
 * The environment of a phase: the creator's, with the settings that not every Platform API has a flag for (variables are
 * never gated by API, contract 1.5), and without what makes a phase by itself do something else than as a part of the
 * reference's creator.
 * @param user of whom detector and builder have HOME and USER (contract 10.5); the others read credentials before they become
 *   that user
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
