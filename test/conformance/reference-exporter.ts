/** Absolute path of a reference exporter to compare with, from REFERENCE_EXPORTER; undefined when there is none. */
export function referenceExporter(): string | undefined {
  const path = process.env.REFERENCE_EXPORTER ?? "";
  return path === "" ? undefined : path;
}
