import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateFile } from "../network/certificate.ts";
import type { ServerCommand } from "../network/server-process.ts";
import { findProgram } from "../process/find-program.ts";

export type RegistryAuth =
  | { readonly kind: "basic"; readonly htpasswd: string }
  /**
   * `signer`: PEM file with the certificate that signs tokens. `authority`: PEM file with the certificate of its
   * authority.
   */
  | {
      readonly kind: "bearer";
      readonly realm: string;
      readonly service: string;
      readonly issuer: string;
      readonly signer: string;
      readonly authority: string;
    };

export interface RegistrySetup {
  readonly port: number;
  /** For its files other than the storage. */
  readonly directory: string;
  readonly storage: string;
  readonly tls?: CertificateFile;
  readonly auth?: RegistryAuth;
}

export type Quirk =
  /** A blob of one repository exists in all of them, so that mounts are never needed. */
  | "shares blobs"
  | "keeps tags"
  /** Errors for missing objects differ from those of distribution 2. */
  | "other words";

export interface RegistryProgram {
  readonly name: string;
  readonly quirks: readonly Quirk[];
  readonly path: string | undefined;
  readonly remedy: string;
  readonly authKinds: readonly RegistryAuth["kind"][];
  command(path: string, setup: RegistrySetup): ServerCommand;
}

/** JSON, because it is valid YAML. */
function distributionCommand(path: string, setup: RegistrySetup): ServerCommand {
  const { port, tls, auth } = setup;
  const addr = `127.0.0.1:${port}`;
  const authConfig =
    auth?.kind === "basic"
      ? { htpasswd: { realm: "test", path: auth.htpasswd } }
      : auth && {
          token: { realm: auth.realm, service: auth.service, issuer: auth.issuer, rootcertbundle: auth.authority },
        };
  const config = writeConfig(setup, {
    version: 0.1,
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: setup.storage }, delete: { enabled: true } },
    http: { addr, ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }) },
    ...(authConfig && { auth: authConfig }),
  });
  const env = { PATH: "/usr/bin:/bin", OTEL_TRACES_EXPORTER: "none" };
  return { path, args: ["serve", config], env };
}

function zotCommand(path: string, setup: RegistrySetup): ServerCommand {
  const { port, storage, tls, auth } = setup;
  const authConfig =
    auth?.kind === "basic"
      ? { htpasswd: { path: auth.htpasswd } }
      : auth && { bearer: { realm: auth.realm, service: auth.service, cert: auth.signer } };
  const config = writeConfig(setup, {
    distSpecVersion: "1.1.1",
    storage: { rootDirectory: storage },
    http: {
      ...{ address: "127.0.0.1", port: String(port), compat: ["docker2s2"] },
      ...(tls && { tls: { cert: tls.certificate, key: tls.key } }),
      ...(authConfig && { auth: authConfig }),
    },
    log: { level: "info" },
  });
  return { path, args: ["serve", config] };
}

function writeConfig({ directory }: RegistrySetup, config: unknown): string {
  const path = join(directory, "config.json");
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** Debian's docker-registry: distribution 2.8. */
export const DOCKER_REGISTRY: RegistryProgram = {
  name: "docker-registry",
  quirks: [],
  path: findProgram("docker-registry"),
  remedy: "Debian: apt-get install docker-registry",
  authKinds: ["basic", "bearer"],
  command: distributionCommand,
};

const DISTRIBUTION_3: RegistryProgram = {
  name: "distribution 3",
  quirks: ["other words"],
  path: findProgram("registry3", "REGISTRY3"),
  remedy: "go install github.com/distribution/distribution/v3/cmd/registry, and its path in REGISTRY3",
  authKinds: ["basic", "bearer"],
  command: distributionCommand,
};

const ZOT: RegistryProgram = {
  name: "zot",
  quirks: ["other words", "shares blobs"],
  path: findProgram("zot", "ZOT"),
  remedy: "build zotregistry.dev/zot, and put its path in ZOT",
  authKinds: ["basic", "bearer"],
  command: zotCommand,
};

const OLAREG: RegistryProgram = {
  name: "olareg",
  quirks: ["other words"],
  path: findProgram("olareg", "OLAREG"),
  remedy: "build github.com/olareg/olareg, and put its path in OLAREG",
  authKinds: [],
  command: (path, { port, storage, tls }) => ({
    path,
    args: [
      ...["serve", "--addr", "127.0.0.1", "--port", String(port), "--dir", storage, "--api-delete"],
      ...(tls ? ["--tls-cert", tls.certificate, "--tls-key", tls.key] : []),
    ],
  }),
};

/** The registry of go-containerregistry's tests. */
const CRANE_REGISTRY: RegistryProgram = {
  name: "crane registry",
  quirks: ["other words", "shares blobs", "keeps tags"],
  path: findProgram("crane", "CRANE"),
  remedy: "go install github.com/google/go-containerregistry/cmd/crane, and its path in CRANE",
  authKinds: [],
  command: (path, { port, storage }) => ({
    path,
    args: ["registry", "serve", "--address", `127.0.0.1:${port}`, "--disk", storage],
  }),
};

/** Only on machines prepared for it. */
export const OTHER_REGISTRIES: readonly RegistryProgram[] = [DISTRIBUTION_3, ZOT, OLAREG, CRANE_REGISTRY];
