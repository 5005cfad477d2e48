import { isDeepStrictEqual } from "node:util";
import { VERSION } from "../../src/export/release.ts";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { editConfig, listLayersOnce, nameOciLayers } from "./image-edits.ts";
import { asUsageBlock, withoutOwnFlags } from "./own-additions.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase, LayoutTexts, Outcome } from "./recorded-case.ts";
import { splitStreams } from "./streams.ts";

/** Where we are not what the reference is, on purpose. */
export interface IntendedDifference {
  /** D numbers are those of the design's list of known defects. */
  readonly why: string;
  /** The cases that it shows in, by name or by what they are. */
  readonly cases: readonly string[] | ((given: ConformanceCase) => boolean);
  /** Makes what we should do out of what the reference does. */
  readonly expect?: (played: Played) => Played;
  /** Takes out of what we do what cannot be compared; both sides then lack it. */
  readonly ours?: (played: Played) => Played;
}

const everywhere = () => true;

/** The table, in the order in which its rows apply. */
export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  { why: "D26: warnings and errors go to stderr", cases: everywhere, expect: outcomes(splitStreams) },
  {
    why: "our own flags are in the usage block too, and -h shows all in groups",
    cases: ({ name }) => name.startsWith("cli-"),
    ours: outcomes((outcome) => withoutOwnFlags(asUsageBlock(outcome))),
  },
  {
    why: "the version is our own",
    cases: ["cli-version", "cli-version-quiet", "cli-lifecycle-version"],
    expect: run((outcome) => ({ ...outcome, stdout: outcome.stdout.map((line) => line.replace("0.0.0", VERSION)) })),
  },
  {
    why: "TOML errors name the file, and have the words of another parser",
    cases: [
      "analyzed-metadata-wrong-types",
      "err-analyzed-bad",
      "err-build-toml-bad-api-0-8",
      "err-group-bad",
      "err-group-syntax",
      "err-metadata-bad-type",
      "err-metadata-dup-key",
      "err-metadata-syntax",
      "process-command-bad-type",
      "project-metadata-bad",
      "run-toml-bad",
      "stack-toml-bad",
      "store-toml-syntax",
    ],
    expect: run(errorLine(/: toml: .*/, ": {path}: toml: {reason}")),
    ours: run(errorLine(/: \/\S+\.toml: toml: .*/, ": {path}: toml: {reason}")),
  },
  {
    why: "D1: a reused cache layer is in the cache image once",
    cases: ({ name }) => /rebuild/.test(name),
    expect: listOnce,
  },
  {
    why: "D3: two layers never share a tar, so the second has its own contents",
    cases: ["id-collision-slash-underscore"],
    expect: run((outcome) => ({ ...outcome, stdout: [], images: {} })),
    ours: run((outcome) => ({ ...outcome, stdout: [], images: {} })),
  },
  {
    why: "D10: a run image that is not named is an error, not a crash",
    cases: [
      "cli-analyzed-missing",
      "cli-bool-value-positional",
      "cli-double-dash",
      "cli-int-forms",
      "cli-log-level-warning",
      "err-analyzed-missing",
      "err-analyzed-no-run-image",
    ],
    expect: run(instead(3, "failed to resolve inputs: run image not found in analyzed metadata")),
  },
  { why: "D10, with errors silenced", cases: ["cli-log-level-fatal"], expect: run(instead(3)) },
  {
    why: "D10: a layer to reuse without a previous image is an error, not a crash",
    cases: ["previous-metadata-no-image"],
    expect: run(
      instead(
        62,
        `failed to export: reusing layer: 'samples/java:jre': failed to get layer by diffID: unknown diffID sha256:${"0".repeat(64)}`,
      ),
    ),
  },
  {
    why: "D10: a process without a command is an error below API 0.10, not a crash",
    cases: ["processes-0-9"],
    expect: run(instead(62, "failed to export: parse build metadata: process 'nocmd' has no command")),
  },
  {
    why: "D11: a missing run image is reported as missing, at once",
    cases: ["err-run-image-missing"],
    expect: run((outcome) => ({
      ...outcome,
      stderr: [
        ...outcome.stderr.filter((line) => !/attempt|ERROR/.test(line)),
        `ERROR: failed to create new app image: connect to repo store "{registry}/missing": GET http://{registry}/v2/missing/manifests/latest: MANIFEST_UNKNOWN: manifest unknown; map[Tag:latest]`,
      ],
    })),
  },
  {
    why: "D11: the cache image is opened with the same patience as the run image",
    cases: ["cache-push-fails"],
    ours: run((outcome) => ({ ...outcome, stderr: outcome.stderr.filter((line) => !/\(attempt \d\/6\)/.test(line)) })),
  },
  {
    why: "D12: new layers in an OCI manifest are OCI layers",
    cases: ({ runImage }) => runImage?.mediaTypes === "oci",
    expect: outcomes((outcome) => ({ ...outcome, images: mapValues(outcome.images, nameOciLayers) })),
  },
  {
    why: "D13: the run image of a layout is recorded with its own digest, not with that of an empty image",
    cases: ({ runLayout }) => runLayout !== undefined,
    expect: outcomes((outcome) => ({
      ...outcome,
      ...(outcome.layouts === undefined ? {} : { layouts: mapValues(outcome.layouts, nameRunImage) }),
    })),
  },
  {
    why: "D12 in layouts",
    cases: ({ runLayout, runImage }) => runLayout !== undefined && runImage?.mediaTypes === "oci",
    expect: outcomes((outcome) => ({
      ...outcome,
      ...(outcome.layouts === undefined ? {} : { layouts: mapValues(outcome.layouts, nameOciLayoutLayers) }),
    })),
  },
  {
    why: "D11: a missing run image is reported as missing, at once",
    cases: ["layout-run-missing"],
    expect: run((outcome) => ({
      ...outcome,
      exitCode: 1,
      stdout: outcome.stdout.slice(0, 1),
      stderr: [
        ...outcome.stderr.filter((line) => !/ERROR|SBOM/.test(line)),
        "ERROR: failed to create new app image: no OCI layout at /tmp/tandem-case/nothing",
      ],
    })),
  },
  {
    why: "D17: nothing is deleted that was never pushed",
    cases: everywhere,
    expect: outcomes((outcome) => ({
      ...outcome,
      stderr: outcome.stderr.filter((line) => !/Unable to delete cache image: .*sha256:6ddabd22/.test(line)),
    })),
  },
  {
    why: "D20: the API that cannot be parsed is printed",
    cases: ["err-group-api-empty"],
    expect: run(errorLine("'<nil>'", "''")),
  },
  {
    why: "D20: the API that cannot be parsed is printed",
    cases: ["err-group-api-garbage"],
    expect: run(errorLine("'<nil>'", "'x'")),
  },
  {
    why: "D21: a PATH with an equals sign is kept",
    cases: ["run-path-equals-only"],
    expect: run(appConfig("PATH=/cnb/process:/cnb/lifecycle:", "PATH=/cnb/process:/cnb/lifecycle:/a=b:/c")),
  },
  {
    why: "D21: a PATH with an equals sign is kept",
    cases: ["run-path-equals"],
    expect: run(appConfig("PATH=/cnb/process:/cnb/lifecycle:/second", "PATH=/cnb/process:/cnb/lifecycle:/a=b:/c")),
  },
  {
    why: "D27: the report lists the names that were saved",
    cases: ["err-additional-tag-push-fails"],
    expect: run((outcome) => ({
      ...outcome,
      report: `[image]\n  tags = ["{registry}/app", "{registry}/app:ok"]\n  digest = "{appDigest}"\n  manifest-size = {manifestSize}\n`,
    })),
  },
  {
    why: "a year that JSON cannot hold is found when the config is written, not on the way there",
    cases: ["epoch-huge"],
    expect: run(errorLine("exporting launcher configLayer", "saving image")),
    ours: run((outcome) => ({ ...outcome, stdout: outcome.stdout.slice(0, 3) })),
  },
  {
    why: "RFC 0125's warning, which the reference's exporter lacks",
    cases: ["parallel-no-cache"],
    expect: run((outcome) => {
      const warning =
        "Warning: parallel export has been enabled, but it has not taken effect because cache image (-cache-image) has not been specified.";
      return { ...outcome, stderr: outcome.stderr.toSpliced(1, 0, warning) };
    }),
  },
];

/** What the reference takes for the digest of every run image in a layout (D13). */
const EMPTY_IMAGE = "sha256:9bff545fd88403019875bc484da593c84761e6c89bae9058b76d1054d54548d0";

/** The rows of the table that a case is subject to. */
export function differencesOf(given: ConformanceCase): readonly IntendedDifference[] {
  return INTENDED_DIFFERENCES.filter(({ cases }) =>
    typeof cases === "function" ? cases(given) : cases.includes(given.name),
  );
}

type Edit = (outcome: Outcome) => Outcome;

/** An edit of the last build. */
function run(edit: Edit): (played: Played) => Played {
  return (played) => ({ ...played, run: edit(played.run) });
}

/** An edit of every build. */
function outcomes(edit: Edit): (played: Played) => Played {
  return (played) => ({ ...played, run: edit(played.run), previous: played.previous && edit(played.previous) });
}

function mapValues<Value>(
  record: Readonly<Record<string, Value>>,
  edit: (value: Value) => Value,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, edit(value)]));
}

/** Replaces a part of the error's line. */
function errorLine(from: string | RegExp, to: string): Edit {
  return (outcome) => ({
    ...outcome,
    stderr: outcome.stderr.map((line) => (line.startsWith("ERROR: ") ? line.replace(from, to) : line)),
  });
}

/** An error instead of a panic; none when nothing is logged. */
function instead(exitCode: number, message?: string): Edit {
  return (outcome) => {
    const lines = outcome.stderr.filter((line) => !line.startsWith("panic: "));
    return { ...outcome, exitCode, stderr: message === undefined ? lines : [...lines, `ERROR: ${message}`] };
  };
}

/** Edits the app image's config. */
function appConfig(from: string, to: string): Edit {
  const quote = (text: string) => JSON.stringify(text);
  return (outcome) => ({
    ...outcome,
    images: mapValues(outcome.images, (image) => editConfig(image, quote(from), quote(to))),
  });
}

/** A cache image whose layers are the ones it had before is the one it was before. */
function listOnce({ previous, run: outcome, previousCacheManifestStillThere }: Played): Played {
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

/** The digests are equally long, so that no size changes. */
function nameRunImage(layout: LayoutTexts): LayoutTexts {
  return { ...layout, config: layout.config.replace(`/tmp/tandem-case/run@${EMPTY_IMAGE}`, "{runImage}") };
}

function nameOciLayoutLayers(layout: LayoutTexts): LayoutTexts {
  const { manifest } = nameOciLayers({ ...layout, manifestContentType: OCI_MANIFEST });
  return { ...layout, manifest };
}
