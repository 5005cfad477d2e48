import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { cloudCredentials, parseEcrRegistry } from "../../../../src/auth/clouds/cloud-credentials.ts";
import { withoutSecrets } from "../../../../src/errors/secrets.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../../support/network/certificate.ts";
import { ConnectProxy } from "../../../support/network/connect-proxy.ts";
import { type ReceivedRequest, ScriptedServer } from "../../../support/network/scripted-server.ts";
import { within } from "../../../support/runner/time-limits.ts";
import { rejectionOf } from "../../../support/thrown-by.ts";

const REGISTRY = "123456789012.dkr.ecr.eu-west-3.amazonaws.com";
const basic = (login: string) => `Basic ${Buffer.from(login).toString("base64")}`;
const data = (password: string) => ({ authorizationToken: Buffer.from(`AWS:${password}`).toString("base64") });

afterEach(() => vi.unstubAllEnvs());

/** The SDK reads the process's own environment. */
function stubEnvironment(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const all = { AWS_EC2_METADATA_DISABLED: "true", AWS_CONFIG_FILE: "/nowhere", HOME: "/nowhere", ...variables };
  for (const [name, value] of Object.entries(all)) vi.stubEnv(name, value);
  return all;
}

/** ECR's API, and the services that provide signing keys. */
function startAmazon(keys: (request: ReceivedRequest) => unknown = () => undefined) {
  return ScriptedServer.start((request) => {
    const target = String(request.headers["x-amz-target"] ?? "");
    if (target === "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
      return { body: { authorizationData: [data("ecr-password")] } };
    if (target === "SpencerFrontendService.GetAuthorizationToken")
      return { body: { authorizationData: data("public-password") } };
    const body = keys(request);
    return body === undefined ? { status: 404, body: "" } : { body };
  });
}

function signerOf({ headers }: ReceivedRequest): string | undefined {
  return /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^,]+),/
    .exec(headers.authorization ?? "")
    ?.slice(1)
    .join(" ");
}

const keyPair = (id: string) => ({
  AccessKeyId: id,
  SecretAccessKey: "secret-access-key",
  Token: "session-token-of-it",
  Expiration: "2099-01-01T00:00:00Z",
});

describe("keys come from", () => {
  test("the environment, even with a profile", async () => {
    await using amazon = await startAmazon();
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_ACCESS_KEY_ID: "AKIDENV",
      AWS_SECRET_ACCESS_KEY: "env-secret-access-key",
      AWS_PROFILE: "none",
    });
    const credentials = await cloudCredentials(REGISTRY, environment, "/nowhere");
    expect(credentials.authorization).toBe(basic("AWS:ecr-password"));
    expect(credentials).toMatchObject({ isAmbient: true, canRenew: true });
    const [request] = amazon.requests;
    expect(request && signerOf(request)).toBe("AKIDENV eu-west-3/ecr/aws4_request");
    expect(JSON.parse(request?.body ?? "")).toEqual({ registryIds: ["123456789012"] });
    expect(withoutSecrets("env-secret-access-key ecr-password")).toBe("[redacted] [redacted]");
    expect((await credentials.renewed())?.authorization).toBe(basic("AWS:ecr-password"));
    expect(amazon.requests).toHaveLength(2);
  });

  test("a profile of the shared credentials file", async () => {
    await using amazon = await startAmazon();
    const path = join(
      tempTree({
        credentials:
          "[default]\naws_access_key_id=NO\naws_secret_access_key=no\n\n[ci]\naws_access_key_id=AKIDFILE\naws_secret_access_key=secret\n",
      }),
      "credentials",
    );
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_PROFILE: "ci",
      AWS_SHARED_CREDENTIALS_FILE: path,
    });
    await cloudCredentials(REGISTRY, environment, "/nowhere");
    expect(amazon.requests.map(signerOf)).toEqual(["AKIDFILE eu-west-3/ecr/aws4_request"]);
  });

  test("an SSO session, with the registries' proxy and certificates", async () => {
    await using amazon = await startAmazon();
    const authority = new CertificateAuthority();
    const roleCredentials = {
      accessKeyId: "AKIDSSO",
      secretAccessKey: "secret",
      sessionToken: "session",
      expiration: Date.parse("2099-01-01T00:00:00Z"),
    };
    const host = "portal.sso.eu-west-3.amazonaws.com";
    await using portal = await ScriptedServer.start(() => ({ body: { roleCredentials } }), authority.issue(host));
    await using proxy = await ConnectProxy.start({ routes: { [`${host}:443`]: portal.host } });
    const start = "https://tandem.awsapps.com/start";
    const token = { accessToken: "the-sso-token", expiresAt: "2099-01-01T00:00:00Z", region: "eu-west-3" };
    const home = tempTree({
      config: `[default]\nsso_start_url=${start}\nsso_account_id=123456789012\nsso_region=eu-west-3\nsso_role_name=builder\nregion=eu-west-3\n`,
      [`.aws/sso/cache/${createHash("sha1").update(start).digest("hex")}.json`]: JSON.stringify(token),
      "ca.pem": authority.pem,
    });
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_CONFIG_FILE: join(home, "config"),
      HOME: home,
      HTTPS_PROXY: proxy.url,
      SSL_CERT_FILE: join(home, "ca.pem"),
    });
    await cloudCredentials(REGISTRY, environment, home);
    expect(proxy.passed).toEqual([`CONNECT ${host}:443`]);
    expect(portal.requests[0]?.headers["x-amz-sso_bearer_token"]).toBe("the-sso-token");
    expect(amazon.requests.map(signerOf)).toEqual(["AKIDSSO eu-west-3/ecr/aws4_request"]);
  });

  test("a web identity (IRSA)", async () => {
    const answer =
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDWEB</AccessKeyId>" +
      "<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>" +
      "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    await using amazon = await startAmazon(({ body }) =>
      body.includes("AssumeRoleWithWebIdentity") ? answer : undefined,
    );
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL: amazon.origin,
      AWS_REGION: "eu-west-3",
      AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/builder",
      AWS_WEB_IDENTITY_TOKEN_FILE: join(tempTree({ token: "the-web-identity-token" }), "token"),
    });
    await cloudCredentials(REGISTRY, environment, "/nowhere");
    const [exchanged, asked] = amazon.requests;
    expect(Object.fromEntries(new URLSearchParams(exchanged?.body))).toMatchObject({
      Action: "AssumeRoleWithWebIdentity",
      RoleArn: "arn:aws:iam::123456789012:role/builder",
      WebIdentityToken: "the-web-identity-token",
    });
    expect(asked && signerOf(asked)).toBe("AKIDWEB eu-west-3/ecr/aws4_request");
  });

  test("a container (ECS, EKS pod identity)", async () => {
    await using amazon = await startAmazon(({ url }) =>
      url.pathname === "/v2/creds" ? keyPair("AKIDPOD") : undefined,
    );
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${amazon.origin}/v2/creds`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(tempTree({ token: "pod-token" }), "token"),
    });
    await cloudCredentials(REGISTRY, environment, "/nowhere");
    expect(amazon.requests[0]?.headers.authorization).toBe("pod-token");
    expect(amazon.requests.slice(1).map(signerOf)).toEqual(["AKIDPOD eu-west-3/ecr/aws4_request"]);
  });

  test("the machine (IMDSv2)", async () => {
    const role = "/latest/meta-data/iam/security-credentials/";
    await using amazon = await startAmazon(({ method, url, headers }) => {
      if (method === "PUT" && url.pathname === "/latest/api/token") return "the-metadata-token";
      if (headers["x-aws-ec2-metadata-token"] !== "the-metadata-token") return undefined;
      if (url.pathname === role) return "node-role";
      return url.pathname === `${role}node-role` ? { Code: "Success", ...keyPair("AKIDVM") } : undefined;
    });
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_EC2_METADATA_DISABLED: "",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: amazon.origin,
    });
    const credentials = await cloudCredentials(REGISTRY, environment, "/nowhere");
    expect(credentials.authorization).toBe(basic("AWS:ecr-password"));
    expect(amazon.requests.map(signerOf).at(-1)).toBe("AKIDVM eu-west-3/ecr/aws4_request");
  });
});

test("ECR Public uses its own API", async () => {
  await using amazon = await startAmazon();
  const environment = stubEnvironment({
    AWS_ENDPOINT_URL_ECR_PUBLIC: amazon.origin,
    AWS_ACCESS_KEY_ID: "AKIDENV",
    AWS_SECRET_ACCESS_KEY: "secret",
  });
  const credentials = await cloudCredentials("public.ecr.aws", environment, "/nowhere");
  expect(credentials.authorization).toBe(basic("AWS:public-password"));
  expect(amazon.requests.map(signerOf)).toEqual(["AKIDENV us-east-1/ecr-public/aws4_request"]);
});

describe("no credentials", () => {
  test("if the metadata service never answers, without a long wait", async () => {
    await using silent = await ScriptedServer.start(() => "silence");
    const environment = stubEnvironment({
      AWS_EC2_METADATA_DISABLED: "",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: silent.origin,
    });
    const error = await rejectionOf(cloudCredentials(REGISTRY, environment, "/nowhere"));
    expect(String(error)).toMatch(/Could not load credentials from any providers/);
  });

  test("if the metadata service is disabled", async () => {
    await using amazon = await startAmazon();
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_ACCESS_KEY_ID: "AKIDENV",
      AWS_SECRET_ACCESS_KEY: "secret",
      CNB_REGISTRY_AUTH_KEYCHAIN_SKIP_AMAZON: "true",
    });
    expect((await cloudCredentials(REGISTRY, environment, "/nowhere")).isAnonymous).toBe(true);
    expect(amazon.requests).toEqual([]);
  });

  test("if the API sends none", async () => {
    await using amazon = await ScriptedServer.start(() => ({ body: { authorizationData: [] } }));
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_ACCESS_KEY_ID: "AKIDENV",
      AWS_SECRET_ACCESS_KEY: "secret",
    });
    const error = await rejectionOf(cloudCredentials(REGISTRY, environment, "/nowhere"));
    expect(error).toMatchObject({ message: "missing AuthorizationData in ECR response" });
  });

  test("if the API refuses, with its error", async () => {
    await using amazon = await ScriptedServer.start(() => ({
      status: 400,
      body: { __type: "AccessDeniedException", message: "not authorized to perform ecr:GetAuthorizationToken" },
    }));
    const environment = stubEnvironment({
      AWS_ENDPOINT_URL_ECR: amazon.origin,
      AWS_ACCESS_KEY_ID: "AKIDENV",
      AWS_SECRET_ACCESS_KEY: "secret",
    });
    // Less than the 30 s of an unanswered connection; four times the duration on an idle machine.
    const error = await within(10_000, () => rejectionOf(cloudCredentials(REGISTRY, environment, "/nowhere")));
    expect(String(error)).toContain("not authorized to perform ecr:GetAuthorizationToken");
  });
});

// Facts of amazon-ecr-credential-helper v0.12.0, ecr-login/api/client_test.go.
test.each([
  ["123456789012.dkr.ecr.us-west-2.amazonaws.com", "us-west-2", false],
  ["123456789012.dkr-ecr.us-west-2.on.aws", "us-west-2", false],
  ["123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", true],
  ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", false],
  ["123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1", false],
  ["123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", false],
  ["123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", false],
  ["123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1", false],
  ["123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1", false],
  ["123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", false],
])("%s is in %s", (host, region, isFips) => {
  expect(parseEcrRegistry(host)).toEqual({ kind: "private", account: "123456789012", region, isFips });
});

test.each(["public.ecr.aws", "ecr-public.aws.com"])("%s is public", (host) => {
  expect(parseEcrRegistry(host)).toEqual({ kind: "public" });
});

test.each([
  "ecr.us-west-2.amazonaws.com",
  "12.dkr.ecr.us-west-2.amazonaws.com",
  "123456789012.dkr.ecr.us-west-2.amazonaws.com.evil.example",
  "gallery.ecr.aws",
  "docker.io",
])("%s is not Amazon's", (host) => expect(parseEcrRegistry(host)).toBeUndefined());
