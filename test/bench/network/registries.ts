import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { OPEN_ACCESS, RegistryAccess } from "../../support/images/registry-access.ts";
import { CertificateFiles } from "../../support/network/certificate.ts";
import { RealRegistry } from "../../support/registry/real-registry.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { DOCKER_REGISTRY } from "../../support/registry/registry-program.ts";
import { cpuTimeOf } from "../run/measure.ts";
import { askChild, type Link, startLinkProxy } from "./links.ts";

/** `sink` accepts blobs without hashing or storing them, so that the exporter is the only limit. */
export type RegistryKind = "plain" | "tls" | "sink" | "sink-tls";

/** Two new, empty registries behind a link, for one run. */
export interface RegistryPair extends AsyncDisposable {
  /** The registries of the app image and of the cache image, without the link. */
  readonly direct: readonly [app: string, cache: string];
  /** The same through the link. */
  readonly linked: readonly [app: string, cache: string];
  /** Environment of a client, so that it trusts the registries. */
  readonly trust: Readonly<Record<string, string>>;
  readonly access: RegistryAccess;
  /** Bytes that the registries have taken: what they store, or what a sink has received. */
  takenBytes(): Promise<number>;
  /** CPU time of the registries so far, in ms; undefined unless they are processes of their own. */
  cpuMs(): number | undefined;
  /** Bytes toward the registries so far, for each link. */
  linkedBytes(): Promise<readonly number[]>;
}

interface BenchRegistry extends AsyncDisposable {
  readonly host: string;
  readonly pid: number | undefined;
  takenBytes(): Promise<number>;
}

export async function startRegistryPair(link: Link, kind: RegistryKind = "plain"): Promise<RegistryPair> {
  const certificates = kind.endsWith("tls") ? mkdtempSync(join(tmpdir(), "bench-certificates-")) : undefined;
  const authority = certificates === undefined ? undefined : new CertificateFiles(certificates);
  const start = (): Promise<BenchRegistry> =>
    kind.startsWith("sink") ? startSink(authority) : startStoring(authority);
  const registries = [await start(), await start()] as const;
  const direct = [registries[0].host, registries[1].host] as const;
  const { bytesPerSecond } = link;
  const proxy = bytesPerSecond === undefined ? undefined : await startLinkProxy({ ...link, bytesPerSecond }, direct);
  const [app = direct[0], cache = direct[1]] = proxy?.hosts ?? [];
  return {
    direct,
    linked: [app, cache],
    trust: authority === undefined ? {} : { SSL_CERT_FILE: authority.authority },
    access: authority === undefined ? OPEN_ACCESS : new RegistryAccess({ authority: authority.pem }),
    takenBytes: async () => {
      const taken = await Promise.all(registries.map((registry) => registry.takenBytes()));
      return taken.reduce((total, bytes) => total + bytes, 0);
    },
    cpuMs: () => sum(registries.map(({ pid }) => (pid === undefined ? undefined : cpuTimeOf(pid)))),
    linkedBytes: async () => (await proxy?.bytesUp()) ?? [],
    async [Symbol.asyncDispose]() {
      await proxy?.[Symbol.asyncDispose]();
      for (const registry of registries) await registry[Symbol.asyncDispose]();
      if (certificates !== undefined) rmSync(certificates, { recursive: true });
    },
  };
}

/** Debian's registry if it is installed, else the project's own in this process. */
async function startStoring(authority: CertificateFiles | undefined): Promise<BenchRegistry> {
  const registry = DOCKER_REGISTRY.path === undefined ? await startFake(authority) : await startReal(authority);
  return {
    host: registry.host,
    pid: "pid" in registry ? registry.pid : undefined,
    takenBytes: async () => bytesBelow(registry.storage),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

function startReal(authority: CertificateFiles | undefined): Promise<RealRegistry> {
  return RealRegistry.start(DOCKER_REGISTRY, authority === undefined ? {} : { tls: authority.issue("server") });
}

function startFake(authority: CertificateFiles | undefined): Promise<FakeRegistry> {
  if (authority !== undefined)
    throw new Error("registries behind TLS need docker-registry (apt-get install docker-registry)");
  return FakeRegistry.start();
}

const listeningSchema = z.object({ port: z.number() });
const takenSchema = z.object({ takenBytes: z.number() });

async function startSink(authority: CertificateFiles | undefined): Promise<BenchRegistry> {
  const files = authority?.issue("sink");
  const args = files === undefined ? [] : [files.certificate, files.key];
  const child = fork(join(import.meta.dirname, "sink-registry.ts"), args, { execArgv: [] });
  const { port } = listeningSchema.parse(await askChild(child, "listen"));
  return {
    host: `127.0.0.1:${port}`,
    pid: child.pid,
    takenBytes: async () => takenSchema.parse(await askChild(child, "count")).takenBytes,
    [Symbol.asyncDispose]: () => endChild(child),
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  child.disconnect();
  await once(child, "exit");
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce((total, value) => (total === undefined || value === undefined ? undefined : total + value), 0);
}

function bytesBelow(directory: string): number {
  // The registry makes it with the first push.
  if (!existsSync(directory)) return 0;
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return entries.reduce(
    (total, entry) => total + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0,
  );
}

const manifestSchema = z.object({ config: z.object({ digest: z.string() }) });
const configSchema = z.object({
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
  config: z.object({ Labels: z.record(z.string(), z.string()).default({}) }).default({ Labels: {} }),
});

export interface PushedImage {
  readonly digest: string;
  readonly diffIds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/**
 * Reads manifest and config of the image with the tag `latest`.
 * @param repository `<host>:<port>/<path>`
 */
export async function readPushedImage(repository: string, access: RegistryAccess): Promise<PushedImage> {
  const base = access.repositoryUrl(repository);
  const headers = { accept: ACCEPT };
  const response = await access.send(`${base}/manifests/latest`, { headers });
  const digest = response.headers.get("docker-content-digest") ?? "";
  const manifest = manifestSchema.parse(await response.json());
  const { rootfs, config } = configSchema.parse(
    await (await access.send(`${base}/blobs/${manifest.config.digest}`, { headers })).json(),
  );
  return { digest, diffIds: rootfs.diff_ids, labels: config.Labels };
}
