import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import type { AuthOptions } from "../../support/registry/auth.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { type Exported, Scene } from "../../support/scenes/scene.ts";

const USER = "robot";
const PASSWORD = "hunter2-not-for-logs";
const BASIC = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
const KINDS: readonly AuthOptions["kind"][] = ["basic", "bearer"];

/** A registry that requires a password, and an open one. */
async function closedScene(kind: AuthOptions["kind"]) {
  const registry = await FakeRegistry.start({ auth: { kind, username: USER, password: PASSWORD } });
  const open = await FakeRegistry.start();
  const scene = await Scene.openSmall(open, registry);
  const images = [`${registry.host}/app:latest`, `${registry.host}/app:v1`];
  return { registry, open, scene, request: { images, flags: ["-log-level", "debug", "-parallel"] } };
}

function expectNoSecret(run: Exported, ...secrets: readonly string[]): void {
  const written = `${run.stdout}${run.stderr}${JSON.stringify(run.events)}`;
  for (const secret of secrets) expect(written).not.toContain(secret);
}

function tokensOf(registry: FakeRegistry): string[] {
  const tokens = registry.requests.flatMap(
    ({ headers }) => /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? [],
  );
  return [...new Set(tokens)];
}

describe.for(KINDS)("a registry with %s authentication", (kind) => {
  test("takes credentials from CNB_REGISTRY_AUTH", async () => {
    const { registry, scene, request } = await closedScene(kind);
    const auth = JSON.stringify({ [registry.host]: `Basic ${BASIC}` });
    const run = await scene.export({ ...request, env: { CNB_REGISTRY_AUTH: auth } });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(registry.manifests.find("app", "v1")).toBeDefined();
    expect(registry.manifests.find("cache", "latest")).toBeDefined();
    expectNoSecret(run, PASSWORD, BASIC, ...tokensOf(registry));
    if (kind === "basic") return;
    expect(tokensOf(registry).length).toBeGreaterThan(0);
    // One token for each set of scopes, whatever requests it: app layers, cache layers, tags.
    const issued = registry.auth?.issued ?? [];
    expect(issued).toHaveLength(new Set(issued).size);
    expect(issued).toContain("repository:app:push,pull");
    expect(issued).toContain("repository:cache:push,pull");
  });

  test("takes credentials from docker's config.json", async () => {
    const { registry, scene, request } = await closedScene(kind);
    const home = tempTree();
    writeFileSync(join(home, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth: BASIC } } }));
    const run = await scene.export({ ...request, env: { DOCKER_CONFIG: home } });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(registry.manifests.find("cache", "latest")).toBeDefined();
    expectNoSecret(run, PASSWORD, BASIC, ...tokensOf(registry));
  });

  test("warns of an entry of docker's config.json that cannot be read, and uses the others", async () => {
    const { registry, scene, request } = await closedScene(kind);
    const home = tempTree();
    const auths = { "null.example": null, "bad.example": { auth: [PASSWORD] }, [registry.host]: { auth: BASIC } };
    writeFileSync(join(home, "config.json"), JSON.stringify({ AUTHS: auths, credHelpers: 7 }));
    const run = await scene.export({ ...request, env: { DOCKER_CONFIG: home } });
    expect(run.exitCode).toBe(0);
    expect(run.stderr.split("\n").map((line) => line.replace(/^.*Warning: (?:.\[0m)?/, ""))).toEqual([
      `Ignoring credentials: ${home}/config.json: auths["bad.example"]: expected string, got array at auth`,
      `Ignoring credentials: ${home}/config.json: credHelpers: expected object, got number`,
      "",
    ]);
    expect(registry.manifests.find("cache", "latest")).toBeDefined();
    expectNoSecret(run, PASSWORD, BASIC, ...tokensOf(registry));
  });

  test("rejects wrong credentials with an error that does not show them", async () => {
    const { registry, scene, request } = await closedScene(kind);
    const wrong = Buffer.from(`${USER}:wrong-${PASSWORD}`).toString("base64");
    const auth = JSON.stringify({ [registry.host]: `Basic ${wrong}` });
    const run = await scene.export({ ...request, cache: "", env: { CNB_REGISTRY_AUTH: auth } });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(/401|UNAUTHORIZED/);
    expectNoSecret(run, PASSWORD, wrong);
  });
});

test("a registry token is sent unchanged, and only to its registry", async () => {
  const { registry, open, scene, request } = await closedScene("bearer");
  const token = "a-registry-token-not-for-logs";
  const auth = JSON.stringify({ [registry.host]: `Bearer ${token}` });
  const run = await scene.export({ ...request, cache: "", env: { CNB_REGISTRY_AUTH: auth } });
  // The fake did not issue it.
  expect(run.exitCode).toBe(62);
  expect(tokensOf(registry)).toEqual([token]);
  expect(registry.auth?.issued).toEqual([]);
  expect(open.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  expectNoSecret(run, token);
});
