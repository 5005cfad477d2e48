import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import type { Exchange, Reply } from "../../support/registry/exchange.ts";
import type { FaultRule } from "../../support/registry/faults.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { type ExportRequest, Scene } from "../../support/scenes/scene.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** Secrets by where they are planted. */
const PLANTED = {
  variable: "password-in-CNB_REGISTRY_AUTH",
  file: "password-in-config.json",
  fileToken: "identity-token-in-config.json",
  helper: "password-of-a-helper",
  dockerVariable: "password-in-DOCKER_AUTH_CONFIG",
  proxy: "password-of-a-proxy",
  amazonKey: "secret-access-key-of-Amazon",
  amazonSession: "session-token-of-Amazon",
  azure: "client-secret-of-Azure",
  google: "refresh-token-of-Google",
  signature: "signature-in-a-location",
} as const;

/** A home directory with credentials in every place, and a credential helper. */
function plantedHome(hosts: { readonly file: string; readonly helper: string }) {
  const home = tempTree({
    ".aws/credentials": `[default]\naws_access_key_id = AKID\naws_secret_access_key = ${PLANTED.amazonKey}\n`,
    ".config/gcloud/application_default_credentials.json": JSON.stringify({
      type: "authorized_user",
      client_id: "id",
      client_secret: "a",
      refresh_token: PLANTED.google,
    }),
  });
  mkdirSync(join(home, ".docker"));
  const config = {
    auths: {
      [hosts.file]: { auth: base64(`robot:${PLANTED.file}`) },
      "other.example": { identitytoken: PLANTED.fileToken },
    },
    credHelpers: { [hosts.helper]: "planted", "broken.example": "broken" },
  };
  writeFileSync(join(home, ".docker/config.json"), JSON.stringify(config));
  mkdirSync(join(home, "bin"));
  const program = (name: string, script: string) => {
    const path = join(home, "bin", `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  };
  program("planted", `echo '{"Username":"robot","Secret":"${PLANTED.helper}"}'`);
  program("broken", `echo ${PLANTED.helper}; echo ${PLANTED.helper} >&2; exit 1`);
  return home;
}

const environment = (home: string, app: string): Record<string, string> => ({
  HOME: home,
  PATH: `${join(home, "bin")}:${process.env.PATH}`,
  CNB_REGISTRY_AUTH: JSON.stringify({ [app]: `Basic ${base64(`robot:${PLANTED.variable}`)}` }),
  DOCKER_AUTH_CONFIG: JSON.stringify({
    auths: { "else.example": { auth: base64(`robot:${PLANTED.dockerVariable}`) } },
  }),
  HTTP_PROXY: `http://me:${PLANTED.proxy}@127.0.0.1:9`,
  HTTPS_PROXY: `http://me:${PLANTED.proxy}@127.0.0.1:9`,
  AWS_ACCESS_KEY_ID: "AKID",
  AWS_SECRET_ACCESS_KEY: PLANTED.amazonKey,
  AWS_SESSION_TOKEN: PLANTED.amazonSession,
  AZURE_TENANT_ID: "tenant",
  AZURE_CLIENT_ID: "client",
  AZURE_CLIENT_SECRET: PLANTED.azure,
});

async function planted() {
  const app = await FakeRegistry.start({ auth: { kind: "bearer", username: "robot", password: PLANTED.variable } });
  const cache = await FakeRegistry.start({ auth: { kind: "basic", username: "robot", password: PLANTED.helper } });
  for (const registry of [app, cache]) onTestFinished(() => registry[Symbol.asyncDispose]());
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const home = plantedHome({ file: "file.example", helper: cache.host });
  const temp = tempTree();
  const run = async (request: ExportRequest = {}) => {
    const { flags = [], env = {} } = request;
    const images = [`${app.host}/app:latest`, `${app.host}/app:v1`];
    const places = { images, cache: `${cache.host}/cache:latest` };
    const ended = await scene.export({
      ...places,
      ...request,
      flags: [
        ...["-log-level", "debug", "-parallel", "-retry-budget", "2s", "-progress", "plain"],
        ...["-timeline", join(temp, "timeline.html"), ...flags],
      ],
      env: { ...environment(home, app.host), TMPDIR: temp, ...env },
    });
    const tokens = [app, cache].flatMap(({ requests }) =>
      requests.flatMap(({ headers }) => headers.authorization?.replace(/^\w+ /, "") ?? []),
    );
    expect(tokens.length).toBeGreaterThan(0);
    const written = filesBelow(scene.output.root, temp, app.storage, cache.storage);
    written.set("stdout", Buffer.from(ended.stdout)).set("stderr", Buffer.from(ended.stderr));
    for (const secret of new Set([...Object.values(PLANTED), ...Object.values(PLANTED).map(base64), ...tokens]))
      for (const [where, bytes] of written) expect(bytes.includes(secret), `${where} shows ${secret}`).toBe(false);
    return ended;
  };
  return { app, cache, run };
}

function filesBelow(...directories: readonly string[]): Map<string, Buffer> {
  const paths = directories.flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => join(root, name)),
  );
  return new Map(paths.filter((path) => statSync(path).isFile()).map((path) => [path, readFileSync(path)]));
}

/** An error that repeats the request, as some proxies do for debugging. */
const echo =
  (status: number, code: string) =>
  async (_proceed: () => Promise<Reply>, { headers, url }: Exchange): Promise<Reply> => {
    const message = `you sent ${JSON.stringify(headers)} to ${url.href}`;
    return { status, body: JSON.stringify({ errors: [{ code, message }] }) };
  };

const always = (method: string, target: RegExp, around: ReturnType<typeof echo>, times = ALWAYS): FaultRule => ({
  method,
  target,
  times,
  action: { around },
});

describe("no secret is printed or written", () => {
  test.each([["text"], ["json"]])("by an export that succeeds, with a log of %s", async (format) => {
    const { app, cache, run } = await planted();
    expect(await run({ flags: ["-log-format", format] })).toMatchObject({ exitCode: 0 });
    expect(app.manifests.find("app", "v1")).toBeDefined();
    expect(cache.manifests.find("cache", "latest")).toBeDefined();
  });

  test("by registries that repeat what they were sent", async () => {
    const { app, cache, run } = await planted();
    app.faults.add(always("HEAD", /app\/manifests/, echo(503, "UNAVAILABLE"), 1));
    app.faults.add(always("POST", /uploads/, echo(503, "UNAVAILABLE"), 2));
    app.faults.add(always("PUT", /app\/manifests/, echo(403, "DENIED")));
    cache.faults.add(always("PUT", /cache\/blobs/, echo(400, "ODD")));
    const ended = await run();
    expect(ended.exitCode).toBe(62);
    // The test is meaningless unless the registry's message is shown.
    expect(ended.stderr).toMatch(/you sent .*"authorization":"Bearer \[redacted\]"/);
  });

  test("by a token server that repeats what it was sent", async () => {
    const { app, run } = await planted();
    app.faults.add(always("GET", /^\/token/, echo(403, "DENIED")));
    const ended = await run();
    expect(ended.exitCode).toBe(62);
    expect(ended.stderr).toMatch(/you sent .*"authorization":"Basic \[redacted\]"/);
  });

  test("by a redirect to a host that refuses the request", async () => {
    const { app, cache, run } = await planted();
    const location = `http://${cache.host}/store?sig=${PLANTED.signature}`;
    app.faults.add({
      method: "PUT",
      target: /manifests/,
      times: ALWAYS,
      action: { answer: { status: 307, headers: { location } } },
    });
    const ended = await run();
    expect(ended.exitCode).toBe(62);
    expect(ended.stderr).toMatch(/sig=REDACTED/);
  });

  test("by wrong passwords, failing helpers, and missing clouds and proxies", async () => {
    const { app, run } = await planted();
    const wrong = JSON.stringify({ [app.host]: `Basic ${base64(`robot:${PLANTED.proxy}`)}` });
    const denied = await run({ env: { CNB_REGISTRY_AUTH: wrong } });
    expect(denied.exitCode).toBe(62);
    for (const host of [
      "broken.example",
      "builds.azurecr.io",
      "gcr.io",
      "123456789012.dkr.ecr.eu-west-3.amazonaws.com",
    ]) {
      const ended = await run({ env: { CNB_BUILD_IMAGE: `${host}/build` } });
      expect(ended.exitCode).toBe(0);
      expect(ended.stdout + ended.stderr).toMatch(/Ignoring credentials: /);
    }
  });

  test("by a variable that cannot be read", async () => {
    const { app, run } = await planted();
    // The check is meaningless unless something was sent.
    await run();
    const env = { CNB_REGISTRY_AUTH: `{"${app.host}":"Basic ${base64(`robot:${PLANTED.variable}`)}` };
    expect(await run({ env })).toMatchObject({ exitCode: 1 });
  });
});
