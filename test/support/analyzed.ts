import { stringify } from "smol-toml";
import { z } from "zod";
import type { VerifiedImage } from "./verify-image.ts";

const sha = z.object({ sha: z.string() });

/** The label `io.buildpacks.lifecycle.metadata`, as far as the analyzer passes it on. */
const labelSchema = z.object({
  app: z.array(sha).nullable(),
  sbom: sha.optional(),
  buildpacks: z.array(
    z.object({
      key: z.string(),
      version: z.string(),
      layers: z.record(
        z.string(),
        z
          .object({ sha: z.string(), data: z.unknown(), build: z.boolean(), launch: z.boolean(), cache: z.boolean() })
          .transform(({ data, ...layer }) => (data === null ? layer : { ...layer, metadata: data })),
      ),
    }),
  ),
  config: sha,
  launcher: sha,
  "process-types": sha,
  runImage: z.object({ topLayer: z.string(), reference: z.string() }),
});

/**
 * The head of an analyzed.toml, as the analyzer writes it for a build whose previous image is a pushed one.
 * @param repository `<host>:<port>/<path>`
 */
export function previousImageToml(
  repository: string,
  { digest, labels }: Pick<VerifiedImage, "digest" | "labels">,
): string {
  return lifecycleToml(`${repository}@${digest}`, labels);
}

/**
 * The previous image's reference and the metadata that its label holds, as the analyzer writes them. The `[run-image]` table
 * is not in it.
 */
export function lifecycleToml(reference: string, labels: Readonly<Record<string, string>>): string {
  const label = labelSchema.parse(JSON.parse(labels["io.buildpacks.lifecycle.metadata"] ?? ""));
  const { runImage, app, ...rest } = label;
  const metadata = {
    ...rest,
    app: app ?? [],
    "run-image": { "top-layer": runImage.topLayer, reference: runImage.reference },
  };
  return `${stringify({ image: { reference }, metadata })}\n`;
}
