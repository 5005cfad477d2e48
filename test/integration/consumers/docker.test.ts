import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { AS_BUILD_USER, expectUnpacked, makeOdd } from "../../support/consumers/odd-build.ts";
import { DockerEngine, sharedEngine } from "../../support/daemon/docker-engine.ts";
import { sharedDirectory, tempTree } from "../../support/files/temp-tree.ts";
import { OPEN_ACCESS } from "../../support/images/registry-access.ts";
import { pushRunImage, smallRunImage } from "../../support/images/run-image.ts";
import { CertificateFiles } from "../../support/network/certificate.ts";
import { flagsFor, runExporter } from "../../support/process/exporter.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { startRegistry } from "../../support/registry/registry-kinds.ts";
import { Scene, writeBuild } from "../../support/scenes/scene.ts";

/** The real launcher, if a reference lifecycle is available. */
const LAUNCHER = join(process.env.REFERENCE_LIFECYCLE_DIR ?? "", "launcher");

/** Shows that the process is `java -jar app.jar`, found on the PATH that a launcher sets. */
const JAVA = '#!/bin/sh\necho "java $* in $PWD"\n';

describe("a docker daemon", () => {
  /** Both sides' certificates, under the names that docker's own client expects. */
  const certificates = sharedDirectory();
  const engine = sharedEngine("Tests of images in docker", () => {
    const files = new CertificateFiles(certificates);
    files.issue("");
    return DockerEngine.startIfPossible("docker", { authority: files.authority, server: files.issue("server-") });
  });

  test.for(["gzip", "zstd"])(
    "pulls an image with %s, runs it, and has its files as they were built",
    async (compression, { skip }) => {
      skip(compression === "zstd" && (await engine().majorVersion()) < 23, "docker unpacks zstd from version 23 on");
      const scene = await Scene.open(await startRegistry());
      const { output } = scene;
      const shell = { content: readFileSync(findProgram("busybox") ?? ""), mode: 0o755 };
      const runImage = smallRunImage({ "bin/": { content: "", mode: 0o755 }, "bin/sh": shell });
      writeAnalyzed(output, await pushRunImage(`${scene.app.host}/run`, OPEN_ACCESS, runImage));
      const java = scene.layerPath("jdk", "bin", "java");
      mkdirSync(scene.layerPath("jdk", "bin"));
      writeFileSync(java, JAVA);
      chmodSync(java, 0o755);
      if (process.env.REFERENCE_LIFECYCLE_DIR) copyFileSync(LAUNCHER, output.launcher);
      else writeFileSync(output.launcher, `#!/bin/sh\nexec ${java} -jar app.jar\n`);
      chmodSync(output.launcher, 0o755);
      makeOdd(output);
      const run = await scene.export({ flags: [...AS_BUILD_USER, "-compression", compression], cache: "" });
      expect(run).toMatchObject({ exitCode: 0 });

      await engine().docker("pull", "--quiet", scene.appImage);
      const said = await engine().run(scene.appImage);
      expect(said).toBe(`java -jar app.jar in ${output.appDir}`);
      const container = await engine().docker("create", "--network", "none", scene.appImage);
      const directory = tempTree();
      await engine().docker("export", "--output", join(directory, "rootfs.tar"), container);
      const rootfs = join(directory, "rootfs");
      mkdirSync(rootfs);
      execFileSync("tar", ["-x", "-f", join(directory, "rootfs.tar"), "-C", rootfs, "-p", "--numeric-owner"]);
      expectUnpacked(output, rootfs);
    },
  );

  describe("over TLS", () => {
    async function exported(image: string, env: Readonly<Record<string, string>>) {
      const output = writeBuild();
      writeAnalyzed(output, (await engine().importRunImage("run:tls")).slice("sha256:".length));
      const flags = [...flagsFor(output), "-daemon", image];
      return await runExporter(flags, { DOCKER_HOST: engine().tlsHost ?? "", ...env });
    }

    /** A certificate directory with these files of the daemon's authority, and the others of another authority. */
    function strangers(...ours: readonly string[]): string {
      const directory = tempTree();
      new CertificateFiles(directory).issue("");
      for (const name of ours) copyFileSync(join(certificates, name), join(directory, name));
      return directory;
    }

    test("takes an image from a client that shows its certificate", async () => {
      const env = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: certificates };
      const run = await exported("tls", env);
      expect(run).toMatchObject({ exitCode: 0 });
      const { Id } = await engine().inspect("tls");
      expect(run.stdout).toContain(`*** Images (${Id.slice("sha256:".length, "sha256:".length + 12)}):\n      tls\n`);
    });

    test("is not believed when another authority signed its certificate, unless that does not matter", async () => {
      const DOCKER_CERT_PATH = strangers("cert.pem", "key.pem");
      const run = await exported("stranger", { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH });
      expect(run.exitCode).toBe(1);
      expect(run.stderr).toContain("x509: certificate signed by unknown authority");
      expect(await exported("unverified", { DOCKER_CERT_PATH })).toMatchObject({ exitCode: 0 });
    });

    test("rejects a client with a stranger's certificate, or with none", async () => {
      const refused = await exported("refused", { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: strangers("ca.pem") });
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("the server probably has client authentication (--tlsverify) enabled; ");
      const nobody = await exported("nobody", {});
      expect(nobody.exitCode).toBe(1);
      expect(nobody.stderr).toContain("Client sent an HTTP request to an HTTPS server");
    });
  });
});
