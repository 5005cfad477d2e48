import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { cloudCredentials } from "../../../../src/auth/clouds/cloud-credentials.ts";
import { withoutSecrets } from "../../../../src/errors/secrets.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../../support/network/certificate.ts";
import { ConnectProxy } from "../../../support/network/connect-proxy.ts";
import { type ReceivedRequest, ScriptedServer } from "../../../support/network/scripted-server.ts";
import { within } from "../../../support/runner/time-limits.ts";
import { rejectionOf } from "../../../support/thrown-by.ts";

const REGISTRY = "builds.azurecr.io";
const formOf = ({ body }: ReceivedRequest) => Object.fromEntries(new URLSearchParams(body));

/**
 * Entra and the machine's identity service over HTTP, and the registry over HTTPS behind a proxy.
 * @param takes which tokens the registry exchanges
 */
async function startAzure(takes: (token: string) => boolean = () => true) {
  const authority = new CertificateAuthority();
  const identity = await ScriptedServer.start((request) => {
    const resource = request.url.searchParams.get("resource") ?? formOf(request).scope ?? "";
    return { body: { access_token: `entra-token for ${resource}` } };
  });
  const registry = await ScriptedServer.start((request) => {
    const isTaken = takes(formOf(request).access_token ?? "");
    return isTaken ? { body: { refresh_token: "acr-refresh-token" } } : { status: 401, body: { errors: [] } };
  }, authority.issue(REGISTRY));
  const proxy = await ConnectProxy.start({ routes: { [`${REGISTRY}:443`]: registry.host } });
  for (const server of [identity, registry, proxy]) onTestFinished(() => server[Symbol.asyncDispose]());
  const environment = {
    AZURE_AUTHORITY_HOST: identity.origin,
    AZURE_POD_IDENTITY_AUTHORITY_HOST: identity.origin,
    HTTPS_PROXY: proxy.url,
    // The machine's own services are never reached through a proxy.
    HTTP_PROXY: "http://127.0.0.1:9",
    SSL_CERT_FILE: join(tempTree({ "ca.pem": authority.pem }), "ca.pem"),
  };
  return { identity, registry, environment };
}

describe("the identity is", () => {
  test("a client secret", async () => {
    const { identity, registry, environment } = await startAzure();
    const env = {
      ...environment,
      AZURE_TENANT_ID: "tenant",
      AZURE_CLIENT_ID: "client",
      AZURE_CLIENT_SECRET: "the-client-secret",
    };
    const credentials = await cloudCredentials(REGISTRY, env, "/nowhere");
    expect(credentials.identityToken).toBe("acr-refresh-token");
    expect(identity.requests.map(({ url }) => url.pathname)).toEqual(["/tenant/oauth2/v2.0/token"]);
    expect(identity.requests.map(formOf)).toEqual([
      {
        grant_type: "client_credentials",
        client_id: "client",
        client_secret: "the-client-secret",
        scope: "https://management.azure.com/.default",
      },
    ]);
    const [request] = registry.requests;
    expect(request?.url.pathname).toBe("/oauth2/exchange");
    expect(request && formOf(request)).toEqual({
      grant_type: "access_token",
      service: REGISTRY,
      tenant: "tenant",
      access_token: "entra-token for https://management.azure.com/.default",
    });
    for (const secret of [
      "the-client-secret",
      "entra-token for https://management.azure.com/.default",
      "acr-refresh-token",
    ])
      expect(withoutSecrets(secret)).toBe("[redacted]");
  });

  test("a federated token (workload identity)", async () => {
    const { identity, environment } = await startAzure();
    const env = {
      ...environment,
      AZURE_TENANT_ID: "tenant",
      AZURE_CLIENT_ID: "client",
      AZURE_FEDERATED_TOKEN_FILE: join(tempTree({ token: "the-federated-token\n" }), "token"),
    };
    await cloudCredentials(REGISTRY, env, "/nowhere");
    expect(identity.requests.map(formOf)).toMatchObject([
      {
        client_assertion: "the-federated-token",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      },
    ]);
  });

  test("the machine's", async () => {
    const { identity, environment } = await startAzure();
    await cloudCredentials(REGISTRY, { ...environment, AZURE_CLIENT_ID: "client" }, "/nowhere");
    const [request] = identity.requests;
    expect(request?.headers.metadata).toBe("true");
    expect(`${request?.url.pathname}${request?.url.search}`).toBe(
      "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=client",
    );
  });

  test("the app service's", async () => {
    const { identity, environment } = await startAzure();
    const env = {
      ...environment,
      IDENTITY_ENDPOINT: `${identity.origin}/msi/token`,
      IDENTITY_HEADER: "the-identity-header",
    };
    await cloudCredentials(REGISTRY, env, "/nowhere");
    const [request] = identity.requests;
    expect(request?.headers["x-identity-header"]).toBe("the-identity-header");
    expect(withoutSecrets("the-identity-header")).toBe("[redacted]");
    expect(`${request?.url.pathname}${request?.url.search}`).toBe(
      "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com%2F",
    );
  });
});

test("a registry that rejects ARM tokens gets a registry token", async () => {
  const { identity, registry, environment } = await startAzure((token) => token.includes("containerregistry"));
  expect((await cloudCredentials(REGISTRY, environment, "/nowhere")).identityToken).toBe("acr-refresh-token");
  const resources = identity.requests.map(({ url }) => url.searchParams.get("resource"));
  expect(resources).toEqual(["https://management.azure.com/", "https://containerregistry.azure.net/"]);
  expect(registry.requests).toHaveLength(2);
});

test("other Azure clouds use their own endpoints", async () => {
  const { identity, environment } = await startAzure();
  // The registry is unreachable; only the earlier requests matter.
  await rejectionOf(cloudCredentials("builds.azurecr.cn", { ...environment, HTTPS_PROXY: "http://127.0.0.1:9" }, "/"));
  const named = { ...environment, AZURE_ENVIRONMENT: "AzureUSGovernmentCloud" };
  await cloudCredentials(REGISTRY, named, "/nowhere");
  expect(identity.requests.map(({ url }) => url.searchParams.get("resource"))).toEqual([
    "https://management.chinacloudapi.cn/",
    "https://management.usgovcloudapi.net/",
  ]);
});

describe("no credentials", () => {
  test("from a response without a token, which is not shown", async () => {
    await using identity = await ScriptedServer.start(() => ({ body: { token: "the-token" } }));
    const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: identity.origin };
    expect(await rejectionOf(cloudCredentials(REGISTRY, env, "/nowhere"))).toMatchObject({
      code: "EXPORT_AUTH_CLOUD",
      message: `no access_token in the response of ${identity.host}`,
    });
  });

  test("from an endpoint that is not a URL", async () => {
    const env = { IDENTITY_ENDPOINT: "identity", IDENTITY_HEADER: "key" };
    expect(await rejectionOf(cloudCredentials(REGISTRY, env, "/nowhere"))).toMatchObject({
      message: "the endpoint of the managed identity is not a URL",
    });
  });

  test("outside of Azure, without a long wait", async () => {
    await using silent = await ScriptedServer.start(() => "silence");
    const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: silent.origin };
    await within(10_000, () => rejectionOf(cloudCredentials(REGISTRY, env, "/nowhere")));
  });

  test.each(["builds.azurecr.io.evil.example", "azurecr.io", ".azurecr.io", "mcr.microsoft.com"])(
    "for %s",
    async (host) => {
      const { identity, environment } = await startAzure();
      expect((await cloudCredentials(host, environment, "/nowhere")).isAnonymous).toBe(true);
      expect(identity.requests).toEqual([]);
    },
  );
});
