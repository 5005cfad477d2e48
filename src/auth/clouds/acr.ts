import { Fault } from "../../errors/fault.ts";
import { registerSecret } from "../../errors/secrets.ts";
import { readFile } from "../../files/read-file.ts";
import { RegistryFault } from "../../http/faults.ts";
import { Credentials } from "../credentials.ts";
import { askForToken, type CloudContext, METADATA_TIMEOUT_MS } from "./context.ts";

interface AzureCloud {
  readonly authority: string;
  readonly resource: string;
}

const PUBLIC: AzureCloud = {
  authority: "https://login.microsoftonline.com/",
  resource: "https://management.azure.com/",
};

/** Keyed by the suffix of the registry's name, or by `AZURE_ENVIRONMENT` (go-autorest, azure/environments.go). */
const CLOUDS: Readonly<Record<string, AzureCloud>> = {
  AZUREPUBLICCLOUD: PUBLIC,
  io: PUBLIC,
  AZURECHINACLOUD: {
    authority: "https://login.chinacloudapi.cn/",
    resource: "https://management.chinacloudapi.cn/",
  },
  AZUREUSGOVERNMENTCLOUD: {
    authority: "https://login.microsoftonline.us/",
    resource: "https://management.usgovcloudapi.net/",
  },
  AZUREGERMANCLOUD: {
    authority: "https://login.microsoftonline.de/",
    resource: "https://management.microsoftazure.de/",
  },
};

/** For registries whose policy rejects tokens for Azure's own API (`azureADAuthenticationAsArmPolicy`). */
const REGISTRY_RESOURCE = "https://containerregistry.azure.net/";

const METADATA_URL = "http://169.254.169.254";

/**
 * A refresh token for an Azure registry, from a client secret, a federated token (workload identity) or a managed
 * identity, in this order, as in the reference's helper (docker-credential-acr-env pkg/token/token.go). Uses plain
 * requests, because it needs three, none of them signed, and the SDK weighs 2 MB.
 * @throws Fault if there is no identity, or if it has no access to the registry
 */
export async function acrCredentials(registry: string, context: CloudContext): Promise<Credentials> {
  const cloud = cloudOf(registry, context);
  try {
    return await exchange(registry, await identityToken(cloud, cloud.resource, context), context);
  } catch (error) {
    if (!(error instanceof RegistryFault) || error.status !== 401) throw error;
    return await exchange(registry, await identityToken(cloud, REGISTRY_RESOURCE, context), context);
  }
}

function cloudOf(registry: string, { environment }: CloudContext): AzureCloud {
  const ending = registry.replace(/:\d+$/, "").replace(/^.*\./, "");
  const byEnding = { cn: "AZURECHINACLOUD", us: "AZUREUSGOVERNMENTCLOUD", de: "AZUREGERMANCLOUD" }[ending] ?? "io";
  const cloud = CLOUDS[environment.AZURE_ENVIRONMENT?.toUpperCase() || byEnding] ?? PUBLIC;
  return { ...cloud, authority: environment.AZURE_AUTHORITY_HOST || cloud.authority };
}

async function identityToken(cloud: AzureCloud, resource: string, context: CloudContext): Promise<string> {
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_CLIENT_SECRET: secret } = context.environment;
  const proof = secret ? { client_secret: secret } : await assertion(context);
  if (!tenant || !client || proof === undefined) return managedIdentityToken(resource, client, context);
  for (const value of Object.values(proof)) registerSecret(value);
  const url = new URL(`${tenant}/oauth2/v2.0/token`, `${cloud.authority.replace(/\/+$/, "")}/`);
  const form = { grant_type: "client_credentials", client_id: client, scope: `${resource}.default`, ...proof };
  return askForToken(context.http, { url, form, isLocal: false, signal: context.signal }, "access_token");
}

async function assertion({ environment }: CloudContext): Promise<Readonly<Record<string, string>> | undefined> {
  const { AZURE_FEDERATED_TOKEN: token, AZURE_FEDERATED_TOKEN_FILE: path } = environment;
  const jwt = token || (path && (await readFile(path)).toString("utf8").trim());
  if (!jwt) return undefined;
  return { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: jwt };
}

function managedIdentityToken(resource: string, client: string | undefined, context: CloudContext): Promise<string> {
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: key, AZURE_POD_IDENTITY_AUTHORITY_HOST } = context.environment;
  const isService = Boolean(endpoint && key);
  registerSecret(key);
  const machine = `${(AZURE_POD_IDENTITY_AUTHORITY_HOST || METADATA_URL).replace(/\/+$/, "")}/metadata/identity/oauth2/token`;
  const url = URL.parse(isService ? (endpoint ?? "") : machine);
  if (url === null) throw new Fault("EXPORT_AUTH_CLOUD", "the endpoint of the managed identity is not a URL");
  url.searchParams.set("api-version", isService ? "2019-08-01" : "2018-02-01");
  url.searchParams.set("resource", resource);
  if (client) url.searchParams.set("client_id", client);
  const headers: Record<string, string> = isService ? { "x-identity-header": key ?? "" } : { metadata: "true" };
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(METADATA_TIMEOUT_MS * (isService ? 5 : 2))]);
  return askForToken(context.http, { url, headers, isLocal: true, signal }, "access_token");
}

/**
 * POST /oauth2/exchange, see
 * https://github.com/Azure/acr/blob/d9c86f8a2a22cea133103060321467cb2c1423a7/docs/AAD-OAuth.md.
 */
async function exchange(registry: string, token: string, { http, environment, signal }: CloudContext) {
  const tenant = environment.AZURE_TENANT_ID;
  const form = { grant_type: "access_token", service: registry, ...(tenant && { tenant }), access_token: token };
  const request = { url: new URL(`https://${registry}/oauth2/exchange`), form, isLocal: false, signal };
  return new Credentials({ identityToken: await askForToken(http, request, "refresh_token") });
}
