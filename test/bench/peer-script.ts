/** A word of a shell's script. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** What a peer's script runs when an image is pushed. */
export function sayReady(image: "app" | "cache"): string {
  return `echo ready: ${image}`;
}

/** Notes when a script said so, in ms since its start. */
export function readyWatch(): {
  readonly onLine: (line: string, atMs: number) => void;
  times(): { readonly appReadyMs?: number; readonly cacheReadyMs?: number };
} {
  const times: { appReadyMs?: number; cacheReadyMs?: number } = {};
  return {
    onLine: (line, atMs) => {
      if (line === "ready: app") times.appReadyMs = atMs;
      if (line === "ready: cache") times.cacheReadyMs = atMs;
    },
    times: () => times,
  };
}
