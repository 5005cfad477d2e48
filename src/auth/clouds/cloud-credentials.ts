import { untilAborted } from "../../concurrency/abort.ts";
import { Http } from "../../http/http.ts";
import type { Environment } from "../../process/environment.ts";
import { ANONYMOUS, type Credentials } from "../credentials.ts";
import type { CloudContext } from "./context.ts";
import type { EcrRegistry } from "./ecr.ts";

/** Total for all of a cloud's services. A machine outside any cloud is detected much sooner: `METADATA_TIMEOUT_MS`. */
const TIMEOUT_MS = 20_000;

/** Loads the cloud's library on demand, because it is larger than the rest of the program. */
type Ask = (registry: string, context: CloudContext) => Promise<Credentials>;

interface Cloud {
  readonly name: string;
  readonly match: (host: string) => Ask | undefined;
}

const CLOUDS: readonly Cloud[] = [
  {
    name: "AMAZON",
    match: (host) => {
      const parsed = parseEcrRegistry(host);
      return parsed && (async (_registry, context) => (await import("./ecr.ts")).ecrCredentials(parsed, context));
    },
  },
  {
    name: "AZURE",
    // Anchored, unlike the reference's: a token must not go to `x.azurecr.io.example.com`.
    match: (host) =>
      /^[^.].*\.azurecr\.(?:io|cn|de|us)$/.test(host)
        ? async (registry, context) => (await import("./acr.ts")).acrCredentials(registry, context)
        : undefined,
  },
  {
    name: "GOOGLE",
    match: (host) =>
      /^(?:[^.].*\.)?gcr\.io$|^[^.].*\.pkg\.dev$/.test(host)
        ? async (_registry, context) => (await import("./google.ts")).googleCredentials(context)
        : undefined,
  },
];

/** As in amazon-ecr-credential-helper v0.12.0, ecr-login/api/client.go. */
const PRIVATE_ECR =
  /^(\d{12})\.dkr[.-]ecr(-fips)?\.([a-zA-Z0-9][a-zA-Z0-9-_]*)\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$/;

export function parseEcrRegistry(host: string): EcrRegistry | undefined {
  if (host === "public.ecr.aws" || host === "ecr-public.aws.com") return { kind: "public" };
  const [, account, fips, region] = PRIVATE_ECR.exec(host) ?? [];
  if (account === undefined || region === undefined) return undefined;
  return { kind: "private", account, region, isFips: fips !== undefined };
}

/**
 * The machine's or environment's credentials for a registry of Amazon, Azure or Google
 * (docs/compatibility.md#more-credentials); anonymous for other registries, and if
 * `CNB_REGISTRY_AUTH_KEYCHAIN_SKIP_<CLOUD>` is `true`.
 * @throws Fault, or the error of a cloud's library, if there are none; the signal's reason
 */
export async function cloudCredentials(
  registry: string,
  environment: Environment,
  home: string,
  signal?: AbortSignal,
): Promise<Credentials> {
  const host = registry.replace(/:\d+$/, "");
  const ask = CLOUDS.map(({ name, match }) =>
    environment[`CNB_REGISTRY_AUTH_KEYCHAIN_SKIP_${name}`] === "true" ? undefined : match(host),
  ).find((found) => found !== undefined);
  if (ask === undefined) return ANONYMOUS;
  const http = new Http(environment);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    return (await untilAborted(ask(registry, { http, environment, home, signal: stop }), stop)).withOrigin({
      renew: () => cloudCredentials(registry, environment, home),
      isAmbient: true,
    });
  } finally {
    await http.close();
  }
}
