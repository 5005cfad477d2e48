import { stringify } from "smol-toml";
import { z } from "zod";
import type { VerifiedImage } from "../images/verify-image.ts";

const sha = z.object({ sha: z.string() });

/** Only the members that the analyzer passes on. */
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
 * The head of the analyzed.toml that the analyzer writes if a pushed image is the previous one.
 * @param repository `<host>:<port>/<path>`
 */
export function previousImageToml(
  repository: string,
  { digest, labels }: Pick<VerifiedImage, "digest" | "labels">,
): string {
  return lifecycleToml(`${repository}@${digest}`, labels);
}

/**
 * The previous image's reference and its label's metadata, as the analyzer writes them, without the table
 * `[run-image]`.
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
