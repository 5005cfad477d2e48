import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RegistryAccess } from "../../support/images/registry-access.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { CertificateFiles } from "../../support/network/certificate.ts";
import { RealRegistry } from "../../support/registry/real-registry.ts";
import {
  DOCKER_REGISTRY,
  OTHER_REGISTRIES,
  type RegistryAuth,
  type RegistryProgram,
} from "../../support/registry/registry-program.ts";
import { TokenServer } from "../../support/registry/token-server.ts";
import { layerWork, Scene } from "../../support/scenes/scene.ts";

const LOGIN = { username: "robot", password: "hunter2-not-for-logs" };
const BASIC = btoa(`${LOGIN.username}:${LOGIN.password}`);

/** The password above as bcrypt with its lowest cost, the only format that registries accept. */
const HTPASSWD = "robot:$2b$04$mQlvf3.EuTPu3HbOsGRPQOQNeHXPjensKs1W4Dbo9py8h5B4eKlc2\n";

const HASHED = { reads: 1, hashes: 1, compressions: 0, uploads: 0 };
const ONCE = { reads: 1, hashes: 1, compressions: 1, uploads: 1 };

const REGISTRIES = [DOCKER_REGISTRY, ...OTHER_REGISTRIES];
for (const { name, path, remedy } of REGISTRIES)
  if (path === undefined) console.warn(`Exports to ${name} are skipped: it is not installed (${remedy})`);

/** A registry with TLS by a private authority, and a login. */
async function closedScene(program: RegistryProgram, kind: RegistryAuth["kind"]) {
  const directory = tempTree({ htpasswd: HTPASSWD });
  const certificates = new CertificateFiles(directory);
  const auth = await startAuth(kind, directory, certificates);
  const registry = await RealRegistry.start(program, { tls: certificates.issue("registry-"), auth });
  const access = new RegistryAccess({ authority: certificates.pem, login: LOGIN });
  const scene = await Scene.open(registry, registry, undefined, access);
  return { scene, access, trust: { SSL_CERT_FILE: certificates.authority } };
}

async function startAuth(
  kind: RegistryAuth["kind"],
  directory: string,
  certificates: CertificateFiles,
): Promise<RegistryAuth> {
  if (kind === "basic") return { kind, htpasswd: join(directory, "htpasswd") };
  const signer = certificates.issue("tokens-");
  const server = await TokenServer.start(LOGIN, signer);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { realm, service, issuer } = server;
  return { kind, realm, service, issuer, authority: certificates.authority, signer: signer.certificate };
}

/** Authentication and compression are independent, so one pair of both is enough. */
const COMPRESSIONS = { basic: "gzip", bearer: "zstd" } as const;

const CLOSED = REGISTRIES.flatMap((program) =>
  program.authKinds.map((kind) => ({ program, kind, name: program.name, compression: COMPRESSIONS[kind] })),
);

describe.for(CLOSED)("$name with TLS and $kind authentication", ({ program, kind, compression }) => {
  const closed = test.skipIf(program.path === undefined);

  closed(`takes both images, tags, and rebuilds with ${compression}`, async () => {
    const { scene, access, trust } = await closedScene(program, kind);
    const { host } = scene.app;
    const images = ["app:latest", "app:v1", "other:v2"].map((name) => `${host}/${name}`);
    const request = { images, flags: ["-parallel", "-compression", compression, "-log-level", "debug"] };
    const header = { CNB_REGISTRY_AUTH: JSON.stringify({ [host]: `Basic ${BASIC}` }), ...trust };
    const first = await scene.export({ ...request, env: header });
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect(`${first.stdout}${JSON.stringify(first.events)}`).not.toMatch(new RegExp(`${LOGIN.password}|${BASIC}`));
    const [app, ...tagged] = await Promise.all(images.map((image) => verifyImage(image, access)));
    const cache = await verifyImage(scene.cacheImage, access);
    for (const image of tagged) expect(image.digest).toBe(app?.digest);
    for (const { mediaType } of [...(app?.layers.slice(1) ?? []), ...cache.layers])
      expect(mediaType).toBe(`application/vnd.oci.image.layer.v1.tar+${compression}`);
    expect(cache.layers[0]).toEqual(app?.layers[1]);
    // Three repositories have it, two of them through a mount.
    expect(layerWork(first.events)).toMatchObject({ jdk: ONCE, libraries: ONCE, maven: ONCE });

    const config = tempTree({ "config.json": JSON.stringify({ auths: { [host]: { auth: BASIC } } }) });
    const login = { DOCKER_CONFIG: config, ...trust };
    await scene.analyze();
    const again = await scene.export({ ...request, env: login });
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    for (const work of Object.values(layerWork(again.events))) expect(work).toEqual(HASHED);
    expect(await verifyImage(scene.appImage, access)).toEqual(app);

    scene.change("jdk");
    const changed = await scene.export({ ...request, env: login });
    expect(changed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(layerWork(changed.events)).toMatchObject({ jdk: { compressions: 1, uploads: 1 }, libraries: HASHED });
    const now = await verifyImage(scene.appImage, access);
    expect(now.layers.filter(({ digest }, i) => digest !== app?.layers[i]?.digest)).toHaveLength(1);
    expect((await verifyImage(scene.cacheImage, access)).layers[0]).toEqual(now.layers[1]);
  });

  closed("lets nobody in with a wrong password, and is not trusted without its authority", async () => {
    const { scene, trust } = await closedScene(program, kind);
    const auth = (secret: string) => ({ CNB_REGISTRY_AUTH: JSON.stringify({ [scene.app.host]: `Basic ${secret}` }) });
    const wrong = btoa(`${LOGIN.username}:wrong`);
    const refused = await scene.export({ cache: "", env: { ...auth(wrong), ...trust } });
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toMatch(/UNAUTHORIZED|401/);
    expect(refused.stderr).not.toContain(wrong);
    const untrusted = await scene.export({ cache: "", env: auth(BASIC) });
    expect(untrusted.exitCode).not.toBe(0);
    expect(untrusted.stderr).toContain("x509: certificate signed by unknown authority");
  });
});
