import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { ConnectProxy } from "../../support/network/connect-proxy.ts";
import { ScriptedServer } from "../../support/network/scripted-server.ts";
import type { AuthOptions } from "../../support/registry/auth.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

const PASSWORD = "cloud-password-not-for-logs";
const TOKEN = "cloud-token-not-for-logs";
const PROXY_LOGIN = "proxy:proxy-password-not-for-logs";

interface Cloud {
  readonly host: string;
  readonly auth: AuthOptions;
  /** The response of the cloud's own service. */
  readonly says: unknown;
  readonly environment: (service: ScriptedServer) => Readonly<Record<string, string>>;
}

const CLOUDS: Readonly<Record<string, Cloud>> = {
  Amazon: {
    host: "123456789012.dkr.ecr.eu-west-3.amazonaws.com",
    auth: { kind: "basic", username: "AWS", password: PASSWORD },
    says: { authorizationData: [{ authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString("base64") }] },
    environment: ({ origin }) => ({
      AWS_ENDPOINT_URL_ECR: origin,
      AWS_ACCESS_KEY_ID: "AKIDENV",
      AWS_SECRET_ACCESS_KEY: TOKEN,
    }),
  },
  Azure: {
    host: "builds.azurecr.io",
    auth: { kind: "bearer", username: "", password: "", identityToken: PASSWORD },
    says: { access_token: TOKEN },
    environment: ({ origin }) => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: origin }),
  },
  Google: {
    host: "europe-docker.pkg.dev",
    auth: { kind: "bearer", username: "oauth2accesstoken", password: PASSWORD },
    says: { access_token: PASSWORD },
    environment: ({ host }) => ({ GCE_METADATA_HOST: host }),
  },
};

test.each(Object.entries(CLOUDS))(
  "%s lets the exporter in by itself, through a proxy with a login, over certificates of its own",
  async (_name, cloud) => {
    const authority = new CertificateAuthority();
    const registry = await FakeRegistry.start({ auth: cloud.auth, tls: authority.issue(cloud.host) });
    const service = await ScriptedServer.start(() => ({ body: cloud.says }));
    const proxy = await ConnectProxy.start({ login: PROXY_LOGIN, routes: { [`${cloud.host}:443`]: registry.host } });
    for (const server of [registry, service, proxy]) onTestFinished(() => server[Symbol.asyncDispose]());
    const exchanged = { status: 200, body: JSON.stringify({ refresh_token: PASSWORD }) };
    if (cloud.auth.identityToken !== undefined)
      registry.faults.add({ method: "POST", target: /^\/oauth2\/exchange$/, action: { answer: exchanged } });
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const ca = join(tempTree(), "ca.pem");
    writeFileSync(ca, authority.pem);
    // Amazon's SDK reads the environment of its process.
    const run = await scene.export({
      byCommand: true,
      images: [`${cloud.host}/app:latest`],
      cache: `${cloud.host}/cache:latest`,
      flags: ["-log-level", "debug"],
      env: { HOME: tempTree(), HTTPS_PROXY: proxy.url, SSL_CERT_FILE: ca, ...cloud.environment(service) },
    });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(registry.manifests.find("app", "latest")).toBeDefined();
    expect(registry.manifests.find("cache", "latest")).toBeDefined();
    expect(new Set(proxy.passed)).toEqual(new Set([`CONNECT ${cloud.host}:443`]));
    for (const secret of [PASSWORD, TOKEN, "proxy-password"]) expect(run.stdout).not.toContain(secret);
  },
);

test("a cloud's registry is accessed anonymously from a machine outside of that cloud", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  // Nothing listens there. The build image's registry is used only for its credentials.
  const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: "http://127.0.0.1:9", CNB_BUILD_IMAGE: "builds.azurecr.io/build" };
  const run = await scene.export({ flags: ["-log-level", "debug"], env });
  expect(run.stdout).toMatch(/^Ignoring credentials: Get "http:\/\/127.0.0.1:9\/metadata\/.*connection refused$/m);
  expect(run.exitCode).toBe(0);
});
