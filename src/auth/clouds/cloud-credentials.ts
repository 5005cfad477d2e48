import { Http } from "../../http/http.ts";
import type { Environment } from "../../process/environment.ts";
import { ANONYMOUS, type Credentials } from "../credentials.ts";
import { parseEcrRegistry } from "./ecr-registry.ts";

/** What a cloud's credentials are looked for with. */
export interface CloudContext {
  readonly http: Http;
  readonly environment: Environment;
  /** The directory of the user whose settings count. */
  readonly home: string;
  readonly signal: AbortSignal;
}

/**
 * How long all of a cloud's services may take together. A machine that is in no cloud is told from one that is within
 * {@link METADATA_TIMEOUT_MS}; what remains is for services that answer.
 */
const TIMEOUT_MS = 20_000;

/** Metadata services are on the machine's own network: one that has not answered by then is not there. */
export const METADATA_TIMEOUT_MS = 1_000;

interface Cloud {
  /** As in `CNB_REGISTRY_AUTH_KEYCHAIN_SKIP_<NAME>`. */
  readonly name: string;
  /** True for one of its registries. @param host without a port */
  readonly has: (host: string) => boolean;
  /** Loads what speaks to the cloud, which is more code than the rest of the program, and asks. */
  readonly ask: (registry: string, context: CloudContext) => Promise<Credentials>;
}

const CLOUDS: readonly Cloud[] = [
  {
    name: "AMAZON",
    has: (host) => parseEcrRegistry(host) !== undefined,
    ask: async (registry, context) => (await import("./ecr.ts")).ecrCredentials(registry, context),
  },
  {
    name: "AZURE",
    // Anchored, unlike the reference's: a token must not go to `x.azurecr.io.example.com`.
    has: (host) => /^[^.].*\.azurecr\.(?:io|cn|de|us)$/.test(host),
    ask: async (registry, context) => (await import("./acr.ts")).acrCredentials(registry, context),
  },
  {
    name: "GOOGLE",
    has: (host) => /^(?:[^.].*\.)?gcr\.io$|^[^.].*\.pkg\.dev$/.test(host),
    ask: async (_registry, context) => (await import("./google.ts")).googleCredentials(context),
  },
];

/**
 * The credentials of the machine or the environment for a registry of Amazon, Azure or Google
 * (docs/compatibility.md#more-credentials); anonymous for any other registry, and if
 * `CNB_REGISTRY_AUTH_KEYCHAIN_SKIP_<CLOUD>` is `true`.
 * @throws Fault, or the error of a cloud's own library, if there are none; the signal's reason
 */
export async function cloudCredentials(
  registry: string,
  environment: Environment,
  home: string,
  signal?: AbortSignal,
): Promise<Credentials> {
  const host = registry.replace(/:\d+$/, "");
  const cloud = CLOUDS.find(({ has }) => has(host));
  if (cloud === undefined || environment[`CNB_REGISTRY_AUTH_KEYCHAIN_SKIP_${cloud.name}`] === "true") return ANONYMOUS;
  const http = new Http(environment);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    const asked = cloud.ask(registry, { http, environment, home, signal: stop });
    return (await untilAborted(asked, stop)).withOrigin({
      renew: () => cloudCredentials(registry, environment, home),
      isAmbient: true,
    });
  } finally {
    await http.close();
  }
}

/** Whatever a library makes of a signal. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
