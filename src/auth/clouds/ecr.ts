import { ECRClient, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import { ECRPUBLICClient, GetAuthorizationTokenCommand as GetPublicTokenCommand } from "@aws-sdk/client-ecr-public";
import { Fault } from "../../errors/fault.ts";
import { registerSecret } from "../../errors/secrets.ts";
import { Credentials } from "../credentials.ts";
import type { CloudContext } from "./context.ts";
import { sdkHandler } from "./library-http.ts";

export type EcrRegistry =
  | { readonly kind: "public" }
  | { readonly kind: "private"; readonly account: string; readonly region: string; readonly isFips: boolean };

const PUBLIC_REGION = "us-east-1";

const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/**
 * User and password for an ECR registry, by the SDK's own chain: keys in the environment, shared config and credentials
 * files with their profiles, web identity (IRSA), containers (ECS, EKS pod identity), and the machine's metadata
 * service (IMDSv2). Keys in the environment come first even if `AWS_PROFILE` is set, as in Go's SDK.
 * @throws errors of the SDK
 */
export async function ecrCredentials(
  registry: EcrRegistry,
  { http, environment, signal }: CloudContext,
): Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = environment;
  const keys =
    accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }) } }
      : {};
  const requestHandler = sdkHandler(http);
  const { credentialDefaultProvider } = new ECRClient({ region: PUBLIC_REGION, requestHandler }).config;
  const options = {
    ...keys,
    logger: SILENT,
    requestHandler,
    // The only way to set the HTTP client of the chain's SSO client (aws-sdk-js-v3, credential-provider-sso).
    credentialDefaultProvider: (input: object) =>
      credentialDefaultProvider({ ...input, clientConfig: { requestHandler } }),
  };
  const abort = { abortSignal: signal };
  if (registry.kind === "private") {
    const { account, region, isFips } = registry;
    const client = new ECRClient({ ...options, region, ...(isFips && { useFipsEndpoint: true }) });
    await keepKeys(client);
    const response = await client.send(new GetAuthorizationTokenCommand({ registryIds: [account] }), abort);
    return decode(response.authorizationData?.[0]?.authorizationToken);
  }
  const client = new ECRPUBLICClient({ ...options, region: PUBLIC_REGION });
  await keepKeys(client);
  const response = await client.send(new GetPublicTokenCommand({}), abort);
  return decode(response.authorizationData?.authorizationToken);
}

async function keepKeys({ config }: ECRClient | ECRPUBLICClient): Promise<void> {
  const { secretAccessKey, sessionToken } = await config.credentials();
  registerSecret(secretAccessKey);
  registerSecret(sessionToken);
}

function decode(token: string | undefined): Credentials {
  const [username, password] = Buffer.from(token ?? "", "base64")
    .toString("utf8")
    .split(/:(.*)/s);
  if (!username || !password) throw new Fault("EXPORT_AUTH_CLOUD", "missing AuthorizationData in ECR response");
  return new Credentials({ username, password });
}
