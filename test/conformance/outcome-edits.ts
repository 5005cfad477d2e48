import { isDeepStrictEqual } from "node:util";
import { editConfig, listLayersOnce } from "./image-edits.ts";
import type { Played } from "./play-case.ts";
import type { Outcome } from "./recorded-case.ts";

/** Makes another account of a run of it. */
export type Edit = (outcome: Outcome) => Outcome;

/** An edit of the last build. */
export function run(edit: Edit): (played: Played) => Played {
  return (played) => ({ ...played, run: edit(played.run) });
}

/** An edit of every build. */
export function outcomes(edit: Edit): (played: Played) => Played {
  return (played) => ({ ...played, run: edit(played.run), previous: played.previous && edit(played.previous) });
}

/** Edits every value of a record. */
export function mapValues<Value>(
  record: Readonly<Record<string, Value>>,
  edit: (value: Value) => Value,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, edit(value)]));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colors begin with ESC.
const ERROR = /^(?:\x1b\[\d+;\d+m)?ERROR: /;

/** Replaces a part of the error's line. */
export function errorLine(from: string | RegExp, to: string): Edit {
  return (outcome) => ({
    ...outcome,
    stderr: outcome.stderr.map((line) => (ERROR.test(line) ? line.replace(from, to) : line)),
  });
}

/** Removes the lines about retries. */
export function withoutTries(outcome: Outcome): Outcome {
  const isTry = (line: string) => /^Tried \d+ times|retrying in [\d.]+m?s$/.test(line);
  const others = (lines: readonly string[]) => lines.filter((line) => !isTry(line));
  return { ...outcome, stdout: others(outcome.stdout), stderr: others(outcome.stderr) };
}

/** An error instead of a panic; none when nothing is logged. */
export function instead(exitCode: number, message?: string): Edit {
  return (outcome) => {
    const lines = outcome.stderr.filter((line) => !line.startsWith("panic: "));
    return { ...outcome, exitCode, stderr: message === undefined ? lines : [...lines, `ERROR: ${message}`] };
  };
}

/** Edits the app image's config. */
export function appConfig(from: string, to: string): Edit {
  const quote = (text: string) => JSON.stringify(text);
  return (outcome) => ({
    ...outcome,
    images: mapValues(outcome.images, (image) => editConfig(image, quote(from), quote(to))),
  });
}

/** A cache image whose layers are the ones it had before is the one it was before. */
export function listOnce({ previous, run: outcome, previousCacheManifestStillThere }: Played): Played {
  const cache = outcome.images["{cacheDigest}"];
  if (cache === undefined) return { previous, run: outcome, previousCacheManifestStillThere };
  const once = listLayersOnce(cache);
  const { "{cacheDigest}": _, ...images } = outcome.images;
  if (!isDeepStrictEqual(once, previous?.images["{previous.cacheDigest}"]))
    return {
      previous,
      run: { ...outcome, images: { ...images, "{cacheDigest}": once } },
      previousCacheManifestStillThere,
    };
  const registry = mapValues(outcome.registry, (name) => name.replace("{cacheDigest}", "{previous.cacheDigest}"));
  return { previous, run: { ...outcome, registry, images }, previousCacheManifestStillThere: true };
}
