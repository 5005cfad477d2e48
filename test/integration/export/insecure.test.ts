import { writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { previousImageToml } from "../../support/build/analyzed.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** One store behind plain HTTP, and behind HTTPS with a certificate that is untrusted by default. */
async function secureScene(certificate = new CertificateAuthority().issue("127.0.0.1")) {
  const plain = await FakeRegistry.start();
  const scene = await Scene.openSmall(plain);
  const [, port] = plain.host.split(":");
  const door = createServer(certificate, (outside) => {
    const inside = connect(Number(port), "127.0.0.1");
    outside.pipe(inside).pipe(outside);
    for (const [socket, other] of [
      [outside, inside],
      [inside, outside],
    ] as const)
      socket.on("error", () => other.destroy()).on("close", () => other.destroy());
  });
  // A client that does not trust it disconnects.
  door.on("tlsClientError", () => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  door.listen(0, "127.0.0.1", resolve);
  await promise;
  onTestFinished(() => void door.close());
  return { scene, plain, host: `127.0.0.1:${(door.address() as AddressInfo).port}` };
}

test("app, cache, run and previous image may all be in an insecure registry", async () => {
  const { scene, plain, host } = await secureScene();
  const inside = (image: string) => image.replace(plain.host, host);
  writeAnalyzed(scene.output, inside(scene.runImage));
  const request = { images: [`${host}/app:latest`, `${host}/app:v1`], cache: `${host}/cache:latest` };
  const refused = await scene.export(request);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toMatch(/x509: certificate signed by unknown authority/);
  // Not retried, because that cannot help; the hint says what does.
  expect(refused.stderr).not.toMatch(/retrying in/);
  expect(refused.stderr).toMatch(/^Add the CA of .* with SSL_CERT_FILE, or list the registry in -insecure-registry/m);

  // The variable that disables verification in Node's own clients has no effect.
  const unverified = await scene.export({ ...request, env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
  expect(unverified.exitCode).toBe(1);
  expect(unverified.stderr).toMatch(/x509: certificate signed by unknown authority/);

  const flags = ["-insecure-registry", host];
  expect(await scene.export({ ...request, flags })).toMatchObject({ exitCode: 0, stderr: "" });
  const pushed = await verifyImage(scene.appImage);
  await verifyImage(scene.cacheImage);

  writeAnalyzed(scene.output, inside(scene.runImage), previousImageToml(`${host}/app`, pushed));
  const again = await scene.export({ ...request, env: { CNB_INSECURE_REGISTRIES: host } });
  expect(again).toMatchObject({ exitCode: 0, stderr: "" });
  expect(again.stdout).toContain("Reusing layer 'samples/java:jdk'");
});

test.each([
  [
    "expired",
    2021,
    "127.0.0.1",
    /x509: certificate has expired/,
    /^Renew the certificate of 127\.0\.0\.1:\d+, or set the clock/m,
  ],
  [
    "for another name",
    2049,
    "10.0.0.1",
    /x509: certificate is valid for 10\.0\.0\.1, not 127\.0\.0\.1/,
    /^Use a name that the certificate of 127\.0\.0\.1:\d+ is for/m,
  ],
])(
  "a trusted certificate that is %s is not retried, and the hint says what helps",
  async (_what, endYear, name, says, hint) => {
    const authority = new CertificateAuthority(undefined, endYear);
    const trusted = join(tempTree(), "ca.pem");
    writeFileSync(trusted, authority.pem);
    const { scene, host } = await secureScene(authority.issue(name));
    const run = await scene.export({ images: [`${host}/app:latest`], cache: "", env: { SSL_CERT_FILE: trusted } });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(says);
    expect(run.stderr).toMatch(hint);
    expect(run.stderr).not.toMatch(/retrying in|Tried/);
  },
);
