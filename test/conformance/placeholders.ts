import type { PreviousAnalyzed } from "./previous-analyzed.ts";

/** Values of a case's placeholders, which differ in every run. Hosts are `<address>:<port>`. */
export interface Placeholders {
  /** Registries that run, one or two. A case without a run image has none. */
  readonly hosts: readonly string[];
  /** The run image by digest. */
  readonly runImage: string;
  /** Digest of the app image of the build before; empty when there was none. */
  readonly previousApp: string;
  readonly previousAnalyzed: PreviousAnalyzed;
}

/** Nothing listens on the discard port. */
export const NOWHERE = "127.0.0.1:9";

/** The placeholder of the first or second registry. */
export function hostName(index: number): string {
  return index === 0 ? "{registry}" : "{registry2}";
}

/** Fills a case's placeholders. */
export function substitute(text: string, placeholders: Placeholders): string {
  return text
    .replaceAll("{previous.image}", () => placeholders.previousAnalyzed.image)
    .replaceAll("{previous.metadata}", () => placeholders.previousAnalyzed.metadata)
    .replaceAll("{registry}", placeholders.hosts[0] ?? NOWHERE)
    .replaceAll("{registry2}", placeholders.hosts[1] ?? NOWHERE)
    .replaceAll("{runImage}", placeholders.runImage)
    .replaceAll("{previous.appDigest}", placeholders.previousApp);
}

/** Placeholders of the digests that images have got so far. */
export type DigestNames = Map<string, string>;

/** Replaces everything that differs between runs by placeholders, as the recording did. */
export function normalize(text: string, placeholders: Placeholders, digests: DigestNames): string {
  let normal = text;
  for (const [i, host] of placeholders.hosts.entries()) normal = normal.replaceAll(host, hostName(i));
  for (const [digest, name] of digests) normal = normal.replaceAll(digest, name);
  return normal
    .replace(/^(Timer: .* started at )\S+$/gm, "$1{time}")
    .replace(/^(Timer: .* ran for )\S+( and ended at )\S+$/gm, "$1{duration}$2{time}")
    .replace(/(\*\*\* Manifest Size: )\d+/g, "$1{manifestSize}")
    .replace(/(manifest-size = )\d+/g, "$1{manifestSize}")
    .replace(/\/tmp\/lifecycle\.exporter\.layer\d+/g, "{artifacts}");
}
