import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { startRegistry } from "../support/registry/registry-kinds.ts";
import { type Link, startLinkProxy } from "./links.ts";
import { parseTimes, readProc } from "./measure.ts";

/** Two new, empty registries behind a link, for one run. */
export interface RegistryPair extends AsyncDisposable {
  /** Of the app image and of the cache image, without the link. */
  readonly direct: readonly [app: string, cache: string];
  /** The same through the link. */
  readonly linked: readonly [app: string, cache: string];
  /** What the registries hold, in bytes. */
  storedBytes(): number;
  /** Time of the cores that the registries took until now, in ms; undefined where they are not processes of their own. */
  cpuMs(): number | undefined;
  /** What has gone towards the registries, in bytes, on each link that there is. */
  linkedBytes(): Promise<readonly number[]>;
}

/** Debian's registry where it is installed, else the project's own. */
export async function startRegistryPair(link: Link): Promise<RegistryPair> {
  const registries = [await startRegistry(), await startRegistry()] as const;
  const direct = [registries[0].host, registries[1].host] as const;
  const { bytesPerSecond } = link;
  const proxy = bytesPerSecond === undefined ? undefined : await startLinkProxy({ ...link, bytesPerSecond }, direct);
  const [app = direct[0], cache = direct[1]] = proxy?.hosts ?? [];
  return {
    direct,
    linked: [app, cache],
    storedBytes: () => registries.reduce((total, { storage }) => total + bytesBelow(storage), 0),
    cpuMs: () => sum(registries.map((registry) => ("pid" in registry ? registryMs(registry.pid) : undefined))),
    linkedBytes: async () => (await proxy?.bytesUp()) ?? [],
    async [Symbol.asyncDispose]() {
      await proxy?.[Symbol.asyncDispose]();
      for (const registry of registries) await registry[Symbol.asyncDispose]();
    },
  };
}

function registryMs(pid: number): number {
  return parseTimes(readProc(`${pid}/stat`)).ownMs;
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

/** What a registry says of an image. */
export interface PushedImage {
  readonly digest: string;
  readonly diffIds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/**
 * Reads manifest and config of an image over plain http.
 * @param repository `<host>:<port>/<path>`, of which the tag latest is taken
 */
export async function readPushedImage(repository: string): Promise<PushedImage> {
  const slash = repository.indexOf("/");
  const base = `http://${repository.slice(0, slash)}/v2/${repository.slice(slash + 1)}`;
  const answer = await get(`${base}/manifests/latest`);
  const digest = answer.headers.get("docker-content-digest") ?? "";
  const manifest = manifestSchema.parse(await answer.json());
  const { rootfs, config } = configSchema.parse(await (await get(`${base}/blobs/${manifest.config.digest}`)).json());
  return { digest, diffIds: rootfs.diff_ids, labels: config.Labels };
}

async function get(url: string): Promise<Response> {
  const answer = await fetch(url, { headers: { accept: ACCEPT } });
  if (!answer.ok) throw new Error(`GET ${url}: ${answer.status}`);
  return answer;
}
