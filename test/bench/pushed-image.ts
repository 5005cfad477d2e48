import { z } from "zod";

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
