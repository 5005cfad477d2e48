import { generateKeyPairSync, verify } from "node:crypto";
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

const basic = (token: string) => `Basic ${Buffer.from(`oauth2accesstoken:${token}`).toString("base64")}`;
const formOf = ({ body }: ReceivedRequest) => Object.fromEntries(new URLSearchParams(body));
const HOSTS = ["oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com", "accounts.google.com"];

const GOOGLE_TOKEN = { access_token: "google-access-token", expires_in: 3600, token_type: "Bearer" };

const externalAccount = () => ({
  type: "external_account",
  audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  token_url: "https://sts.googleapis.com/v1/token",
  credential_source: { file: join(tempTree({ token: "the-oidc-token" }), "token") },
});

/** Google's token services behind a proxy. */
async function startGoogle(answer: (request: ReceivedRequest) => unknown = () => GOOGLE_TOKEN) {
  const authority = new CertificateAuthority();
  const google = await ScriptedServer.start((request) => ({ body: answer(request) }), authority.issue(...HOSTS));
  const proxy = await ConnectProxy.start({
    routes: Object.fromEntries(HOSTS.map((host) => [`${host}:443`, google.host])),
  });
  for (const server of [google, proxy]) onTestFinished(() => server[Symbol.asyncDispose]());
  const ca = join(tempTree({ "ca.pem": authority.pem }), "ca.pem");
  return { google, environment: { HTTPS_PROXY: proxy.url, SSL_CERT_FILE: ca } };
}

const fileOf = (content: object) => join(tempTree({ "key.json": JSON.stringify(content) }), "key.json");

describe("the identity is", () => {
  test("a service account's key", async () => {
    const { google, environment } = await startGoogle();
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const path = fileOf({
      type: "service_account",
      client_email: "ci@project.iam.gserviceaccount.com",
      private_key: key,
      private_key_id: "1",
      token_uri: "https://oauth2.googleapis.com/token",
    });
    const credentials = await cloudCredentials(
      "europe-docker.pkg.dev",
      { ...environment, GOOGLE_APPLICATION_CREDENTIALS: path },
      "/nowhere",
    );
    expect(credentials.authorization).toBe(basic("google-access-token"));
    const [request] = google.requests;
    const { grant_type, assertion = "" } = request === undefined ? {} : formOf(request);
    expect(grant_type).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [header, claims, signature = ""] = assertion.split(".");
    const isSigned = verify(
      "sha256",
      Buffer.from(`${header}.${claims}`),
      publicKey,
      Buffer.from(signature, "base64url"),
    );
    expect(isSigned).toBe(true);
    expect(JSON.parse(Buffer.from(claims ?? "", "base64url").toString())).toMatchObject({
      iss: "ci@project.iam.gserviceaccount.com",
      scope: "https://www.googleapis.com/auth/cloud-platform",
    });
    expect(withoutSecrets(`${key} google-access-token`)).toBe("[redacted] [redacted]");
  });

  test("a user logged in with gcloud", async () => {
    const { google, environment } = await startGoogle();
    const home = tempTree({
      ".config/gcloud/application_default_credentials.json": JSON.stringify({
        type: "authorized_user",
        client_id: "id",
        client_secret: "the-client-secret",
        refresh_token: "the-refresh-token",
      }),
    });
    const credentials = await cloudCredentials("gcr.io", environment, home);
    expect(credentials.authorization).toBe(basic("google-access-token"));
    expect(google.requests.map(formOf)).toMatchObject([
      { grant_type: "refresh_token", refresh_token: "the-refresh-token" },
    ]);
    expect(withoutSecrets("the-client-secret the-refresh-token")).toBe("[redacted] [redacted]");
  });

  test("an external account's (workload identity federation)", async () => {
    const { google, environment } = await startGoogle();
    const path = fileOf(externalAccount());
    const env = { ...environment, GOOGLE_APPLICATION_CREDENTIALS: path };
    const credentials = await cloudCredentials("us-central1-docker.pkg.dev", env, "/nowhere");
    expect(credentials.authorization).toBe(basic("google-access-token"));
    expect(google.requests.map(formOf)).toMatchObject([{ subject_token: "the-oidc-token" }]);
  });

  test("a service account that an external account impersonates", async () => {
    const { google, environment } = await startGoogle(({ url }) =>
      url.pathname.endsWith(":generateAccessToken")
        ? { accessToken: "impersonated-token", expireTime: new Date(Date.now() + 3_600_000).toISOString() }
        : GOOGLE_TOKEN,
    );
    const path = fileOf({
      type: "impersonated_service_account",
      service_account_impersonation_url:
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com:generateAccessToken",
      source_credentials: externalAccount(),
    });
    const env = { ...environment, GOOGLE_APPLICATION_CREDENTIALS: path };
    const credentials = await cloudCredentials("us-central1-docker.pkg.dev", env, "/nowhere");
    expect(credentials.authorization).toBe(basic("impersonated-token"));
    expect(google.requests.map(({ url, headers }) => [url.host, headers.authorization])).toEqual([
      ["sts.googleapis.com", undefined],
      ["iamcredentials.googleapis.com", "Bearer google-access-token"],
    ]);
  });

  test("the machine's", async () => {
    await using machine = await ScriptedServer.start(({ headers }) =>
      headers["metadata-flavor"] === "Google" ? { body: { access_token: "machine-token" } } : { status: 403, body: "" },
    );
    const env = { GCE_METADATA_HOST: machine.host, HTTP_PROXY: "http://127.0.0.1:9" };
    expect((await cloudCredentials("eu.gcr.io", env, "/nowhere")).authorization).toBe(basic("machine-token"));
    expect(machine.requests[0]?.url.pathname).toBe("/computeMetadata/v1/instance/service-accounts/default/token");
  });
});

describe("no credentials", () => {
  test("outside of Google Cloud, without a long wait", async () => {
    await using silent = await ScriptedServer.start(() => "silence");
    await within(10_000, () => rejectionOf(cloudCredentials("gcr.io", { GCE_METADATA_HOST: silent.host }, "/nowhere")));
  });

  test("from an invalid key, which stays secret", async () => {
    const path = join(tempTree({ "key.json": '{"private_key":"s3cret-key"' }), "key.json");
    const error = await rejectionOf(cloudCredentials("gcr.io", { GOOGLE_APPLICATION_CREDENTIALS: path }, "/nowhere"));
    expect(String(error)).toContain(`${path}: not a file of Google credentials`);
    expect(String(error)).not.toContain("s3cret");
  });

  test("from a file that does not exist", async () => {
    const path = "/nowhere/key.json";
    const error = await rejectionOf(cloudCredentials("gcr.io", { GOOGLE_APPLICATION_CREDENTIALS: path }, "/nowhere"));
    expect(error).toMatchObject({ message: `open ${path}: no such file or directory` });
  });

  test("from a file whose refresh token is not a text", async () => {
    const path = fileOf({ type: "authorized_user", client_id: "i", client_secret: "s", refresh_token: 1 });
    const error = await rejectionOf(cloudCredentials("gcr.io", { GOOGLE_APPLICATION_CREDENTIALS: path }, "/nowhere"));
    expect(String(error)).toContain(`${path}: not a file of Google credentials`);
  });

  test("from a user who impersonates an invalid account, and whose secrets stay secret", async () => {
    const user = { type: "authorized_user", client_secret: "secret-of-the-user", refresh_token: "token-of-the-user" };
    const path = fileOf({
      type: "impersonated_service_account",
      service_account_impersonation_url: "none",
      source_credentials: { ...user, client_id: "i" },
    });
    await rejectionOf(cloudCredentials("gcr.io", { GOOGLE_APPLICATION_CREDENTIALS: path }, "/nowhere"));
    expect(withoutSecrets("secret-of-the-user token-of-the-user")).toBe("[redacted] [redacted]");
  });

  test("from a key that Google rejects", async () => {
    const { environment } = await startGoogle(() => ({ error: "invalid_grant" }));
    const path = fileOf({ type: "authorized_user", client_id: "i", client_secret: "s", refresh_token: "r" });
    await rejectionOf(cloudCredentials("gcr.io", { ...environment, GOOGLE_APPLICATION_CREDENTIALS: path }, "/nowhere"));
  });

  test.each(["mygcr.io", "gcr.io.evil.example", "pkg.dev", "docker.io"])("for %s", async (host) => {
    expect((await cloudCredentials(host, {}, "/nowhere")).isAnonymous).toBe(true);
  });
});
