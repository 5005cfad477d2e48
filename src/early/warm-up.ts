import type { Registries } from "../destinations/registry/registries.ts";
import { parseReference } from "../oci/reference.ts";
import type { Analyzed, ExportSettings } from "../plan/inputs.ts";
import { APP_PRIORITY } from "../plan/layers.ts";

/**
 * Opens the connections that the export will need, and gets tokens: each registry is asked for a manifest's headers,
 * which no registry counts as a pull. Failures are the export's to report.
 */
export async function warmConnections(
  registries: Registries,
  { runImage, outputImage, cacheImage }: ExportSettings,
  analyzed: Analyzed,
  signal: AbortSignal,
): Promise<void> {
  const ask = async (name: string, actions: "pull" | "push,pull") => {
    if (name === "") return;
    const reference = parseReference(name);
    await registries.repository(reference).hasManifest(reference, actions, { priority: APP_PRIORITY, signal });
  };
  const from = runImage || (analyzed.runImage?.reference ?? "");
  await Promise.allSettled([ask(outputImage, "push,pull"), ask(from, "pull"), ask(cacheImage, "push,pull")]);
}
