/**
 * What happens during an export, for platforms and tools. Times are in ms since the export began, sizes in bytes. One
 * object a line is written for `-events`; members are only ever added.
 */
export type ExportEvent =
  | {
      readonly event: "app-image-ready";
      readonly elapsedMs: number;
      readonly digest: string;
      readonly tags: readonly string[];
    }
  | {
      readonly event: "cache-ready";
      readonly elapsedMs: number;
      /** The cache image, or the cache directory, as given. */
      readonly reference: string;
      /** Of a cache image. */
      readonly digest?: string;
    }
  | { readonly event: "cache-failed"; readonly elapsedMs: number; readonly reason: string }
  | {
      /** At the end, for every layer that was looked at: the work that was done for it. */
      readonly event: "layer";
      readonly id: string;
      readonly diffId: string;
      readonly tarSize: number;
      /** Of the compressed blob; absent when the layer was not compressed. */
      readonly size?: number;
      readonly images: number;
      readonly reads: number;
      readonly hashes: number;
      readonly compressions: number;
      readonly uploads: number;
      /** Files written with the uncompressed tar, for stores of files. */
      readonly tarFiles: number;
      /** Streams of the uncompressed tar, for daemons. */
      readonly tarStreams: number;
    };

export type EventSink = (event: ExportEvent) => void;
