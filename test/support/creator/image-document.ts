import { z } from "zod";

const manifestSchema = z.looseObject({
  config: z.object({ digest: z.string() }),
  layers: z.array(z.object({ mediaType: z.string() })),
});

/** The parts that two exporters must agree on: the config's bytes and the manifest's structure. */
export interface ImageDocument {
  readonly config: unknown;
  readonly configDigest: string;
  readonly layerMediaTypes: readonly string[];
}

/** @param name `<host>:<port>/<repository>:<tag>`, over plain http */
export async function readImage(name: string): Promise<ImageDocument> {
  const slash = name.indexOf("/");
  const colon = name.lastIndexOf(":");
  const base = `http://${name.slice(0, slash)}/v2/${name.slice(slash + 1, colon)}`;
  const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
  const found = await fetch(`${base}/manifests/${name.slice(colon + 1)}`, { headers: { accept } });
  if (!found.ok) throw new Error(`${name}: ${found.status}`);
  const manifest = manifestSchema.parse(await found.json());
  const config = await fetch(`${base}/blobs/${manifest.config.digest}`);
  return {
    config: await config.json(),
    configDigest: manifest.config.digest,
    layerMediaTypes: manifest.layers.map(({ mediaType }) => mediaType),
  };
}
