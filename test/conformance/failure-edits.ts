import type { Played } from "./play-case.ts";
import type { Outcome } from "./recorded-case.ts";

/** All that is compared of a run in which the reference has crashed: that ours has not. */
const CRASH: Outcome = { exitCode: 2, stdout: [], stderr: [], report: null, registry: {}, images: {} };

/** Every exit code but a crash's. */
const ENDS: readonly (number | null)[] = [0, 1, 3, 62];

/** All that can be compared after a crash of the reference (docs/compatibility.md#no-crashes). */
export function asCrash(outcome: Outcome): Outcome {
  return outcome.stderr.some((line) => line.startsWith("panic: ")) ? CRASH : outcome;
}

/** The same where the process was at its end, with code 0, before the thread that crashed could say so. */
export function asSilentCrash(outcome: Outcome): Outcome {
  return outcome.exitCode === 0 && outcome.report === null ? CRASH : outcome;
}

/** Leaves nothing of a run of ours where the reference has crashed. */
export function besideCrash(outcome: Outcome, expected: Outcome | undefined): Outcome {
  // Wrong flags, which end with that code too, are told.
  const isCrash = expected?.exitCode === CRASH.exitCode && expected.stderr.length === 0;
  return isCrash && ENDS.includes(outcome.exitCode) ? CRASH : outcome;
}

/** Keeps only the error lines of a failed run, without the output of concurrent work. */
export function errorsOfFailure(outcome: Outcome): Outcome {
  if (outcome.exitCode === 0) return outcome;
  const isError = (line: string) => line.includes("ERROR: ") || line.startsWith("panic: ");
  return { ...outcome, stdout: [], stderr: [...outcome.stdout, ...outcome.stderr].filter(isError) };
}

/** Removes the staging files that a build leaves when its cache fails; ours leaves none. */
export function withoutStaging(outcome: Outcome): Outcome {
  if (outcome.cacheDir === undefined) return outcome;
  return { ...outcome, cacheDir: outcome.cacheDir.filter(({ path }) => !path.startsWith("staging/")) };
}

/**
 * Blobs that no image names yet are in a layout's directory when its export fails, as they are when it is written
 * again.
 */
export function withoutOtherBlobs({ previous, run, ...rest }: Played): Played {
  const hasFailed = run.exitCode !== 0 || (previous !== undefined && previous.exitCode !== 0);
  if (!hasFailed) return { ...rest, previous, run };
  return { ...rest, previous: previous && onlyNamedBlobs(previous), run: onlyNamedBlobs(run) };
}

function onlyNamedBlobs({ layouts, ...outcome }: Outcome): Outcome {
  if (layouts === undefined) return outcome;
  const named = Object.entries(layouts).map(([path, layout]) => {
    return [path, { ...layout, files: layout.files.filter((file) => !file.endsWith("{other}")) }] as const;
  });
  return { ...outcome, layouts: Object.fromEntries(named) };
}

/** Exit code 1 is that of a failure on the way to an export. */
export function withoutSbomsOfFailure({ sbomTree, ...outcome }: Outcome): Outcome {
  return outcome.exitCode === 1 || sbomTree === undefined ? outcome : { ...outcome, sbomTree };
}

/**
 * Skips the build after one that failed beside its cache: the reference may have committed another cache
 * (docs/compatibility.md#parallel-failures).
 */
export function withoutRunAfterFailure(played: Played): Played {
  return (played.previous?.exitCode ?? 0) === 0 ? played : { ...played, run: CRASH };
}

/**
 * The expected cache after a run whose failing app image canceled it: the cache before the run
 * (docs/compatibility.md#parallel-failures).
 */
export function stopCache({ previous, run, previousCacheManifestStillThere }: Played): Played {
  const first = previous && stopCacheOf(previous, undefined);
  const isKept = previousCacheManifestStillThere !== undefined && run.exitCode !== 0;
  const isThere = first?.exitCode === 0 ? isKept || previousCacheManifestStillThere : undefined;
  return { previous: first, run: stopCacheOf(run, first), previousCacheManifestStillThere: isThere };
}

function stopCacheOf(outcome: Outcome, before: Outcome | undefined): Outcome {
  if (outcome.exitCode === 0) return outcome;
  const { cacheDir, cacheDirMetadata, registry, images, ...others } = errorsOfFailure(outcome);
  const isCache = (key: string) => /\/cache:/.test(key);
  const kept = Object.entries(registry).filter(([key]) => !isCache(key));
  const cached = Object.entries(before?.registry ?? {}).filter(([key]) => isCache(key));
  return {
    ...others,
    registry: Object.fromEntries([...kept, ...cached]),
    images: Object.fromEntries(Object.entries(images).filter(([name]) => !name.includes("cacheDigest}"))),
    ...(cacheDir === undefined ? {} : { cacheDir: before?.cacheDir ?? [] }),
    ...(before?.cacheDirMetadata === undefined ? {} : { cacheDirMetadata: before.cacheDirMetadata }),
  };
}

/** Adds RFC 0125's warning where ours would have it: after those about caches, if the arguments were right. */
export function warnOfParallel(outcome: Outcome): Outcome {
  const about = outcome.stderr.filter((line) => /No cached data will be used|Ignoring -launch-cache/.test(line));
  const [first, last] = [about[0], about.at(-1)];
  if (first === undefined || last === undefined || !first.includes("No cached data")) return outcome;
  if (outcome.stderr.some((line) => line.includes("failed to resolve inputs: "))) return outcome;
  const text =
    "parallel export has been enabled, but it has not taken effect because cache image (-cache-image) has not been specified.";
  const warning = first.replace(/No cached data.*/, text);
  return { ...outcome, stderr: outcome.stderr.toSpliced(outcome.stderr.indexOf(last) + 1, 0, warning) };
}
