import { printable } from "../../src/errors/printable.ts";
import { OCI_MANIFEST } from "../../src/oci/descriptor.ts";
import { VERSION } from "../../src/version.ts";
import {
  asCrash,
  asSilentCrash,
  besideCrash,
  errorsOfFailure,
  stopCache,
  warnOfParallel,
  withoutOtherBlobs,
  withoutRunAfterFailure,
  withoutSbomsOfFailure,
  withoutStaging,
} from "./failure-edits.ts";
import { nameOciLayers } from "./image-edits.ts";
import { appConfig, errorLine, instead, listOnce, mapValues, outcomes, run, withoutTries } from "./outcome-edits.ts";
import { asUsageBlock, withoutOwnFlags } from "./own-additions.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase, LayoutTexts } from "./recorded-case.ts";
import { printableAfterPrefix, splitStreams } from "./streams.ts";

/** An intended difference from the reference. */
export interface IntendedDifference {
  /** In the words of docs/compatibility.md#deliberate-differences. */
  readonly why: string;
  /** The affected cases, by name or by a predicate. */
  readonly cases: readonly string[] | ((given: ConformanceCase) => boolean);
  /** Derives our expected result from the reference's. */
  readonly expect?: (played: Played) => Played;
  /** Removes the parts of our result that cannot be compared; both sides then lack them. */
  readonly ours?: (played: Played, reference: Played) => Played;
}

const everywhere = () => true;
const isGenerated = ({ name }: ConformanceCase) => name.startsWith("generated-");

const MISSING_IMAGE =
  'connect to repo store "{registry}/missing": GET http://{registry}/v2/missing/manifests/latest: MANIFEST_UNKNOWN: manifest unknown; map[Tag:latest]';

const BAD_BUILDPACK_API = /(?<=failed to parse buildpack API )'.*'(?= for buildpack)/;

/** The table, in the order in which its rows apply. */
export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  { why: "warnings and errors go to stderr", cases: everywhere, expect: outcomes(splitStreams) },
  {
    why: "our own flags are in the usage block too, and -h shows all in groups",
    cases: everywhere,
    ours: outcomes((outcome) => withoutOwnFlags(asUsageBlock(outcome))),
  },
  {
    why: "the version is our own",
    cases: ["cli-version", "cli-version-quiet", "cli-lifecycle-version"],
    expect: run((outcome) => ({ ...outcome, stdout: outcome.stdout.map((line) => line.replace("0.0.0", VERSION)) })),
  },
  {
    why: "TOML errors name the file, and have the words of another parser",
    cases: everywhere,
    expect: outcomes(errorLine(/: toml: .*/, ": {path}: toml: {reason}")),
    ours: outcomes(errorLine(/: \S+\.toml: toml: .*/, ": {path}: toml: {reason}")),
  },
  {
    why: "what a terminal would act upon is escaped in the log",
    cases: ["labels"],
    expect: run((outcome) => ({ ...outcome, stdout: outcome.stdout.map(printable) })),
  },
  {
    why: "what a terminal would act upon is escaped in errors, in generated cases",
    cases: isGenerated,
    expect: outcomes((outcome) => ({ ...outcome, stderr: outcome.stderr.map(printableAfterPrefix) })),
  },
  {
    why: "a reused cache layer is in the cache image once",
    cases: ({ name, previous }) => /rebuild/.test(name) || previous !== undefined,
    expect: listOnce,
  },
  {
    why: "two layers never share a tar, so the second has its own contents",
    cases: ["id-collision-slash-underscore"],
    expect: run((outcome) => ({ ...outcome, stdout: [], images: {} })),
    ours: run((outcome) => ({ ...outcome, stdout: [], images: {} })),
  },
  {
    why: "a run image that is not named is an error, not a crash",
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
  { why: "no crash, with errors silenced", cases: ["cli-log-level-fatal"], expect: run(instead(3)) },
  {
    why: "a layer to reuse without a previous image is an error, not a crash",
    cases: ["previous-metadata-no-image"],
    expect: run(
      instead(
        62,
        `failed to export: reusing layer: 'samples/java:jre': failed to get layer by diffID: unknown diffID sha256:${"0".repeat(64)}`,
      ),
    ),
  },
  {
    why: "a process without a command is an error below API 0.10, not a crash",
    cases: ["processes-0-9"],
    expect: run(instead(62, "failed to export: parse build metadata: process 'nocmd' has no command")),
  },
  {
    why: "a missing run image is reported as missing, after the same tries",
    cases: ["err-run-image-missing"],
    expect: run((outcome) => ({
      ...outcome,
      stderr: outcome.stderr.map((line) => line.replace("image has no layers", MISSING_IMAGE)),
    })),
  },
  {
    why: "what nobody answers is tried again for as long as -retry-budget says, and that is told",
    cases: ["cache-push-fails"],
    ours: run(withoutTries),
  },
  {
    why: "new layers in an OCI manifest are OCI layers",
    cases: ({ runImage }) => runImage?.mediaTypes === "oci",
    expect: outcomes((outcome) => ({ ...outcome, images: mapValues(outcome.images, nameOciLayers) })),
  },
  {
    why: "the run image of a layout is recorded with its own digest, not with that of an empty image",
    cases: ({ runLayout }) => runLayout !== undefined,
    expect: outcomes((outcome) => ({
      ...outcome,
      ...(outcome.layouts === undefined ? {} : { layouts: mapValues(outcome.layouts, nameRunImage) }),
    })),
  },
  {
    why: "new layers in an OCI layout are OCI layers",
    cases: ({ runLayout, runImage }) => runLayout !== undefined && runImage?.mediaTypes === "oci",
    expect: outcomes((outcome) => ({
      ...outcome,
      ...(outcome.layouts === undefined ? {} : { layouts: mapValues(outcome.layouts, nameOciLayoutLayers) }),
    })),
  },
  {
    why: "a missing run image is reported as missing, at once",
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
    why: "an image that was never pushed is not deleted",
    cases: everywhere,
    expect: outcomes((outcome) => ({
      ...outcome,
      stderr: outcome.stderr.filter((line) => !/Unable to delete cache image: .*sha256:6ddabd22/.test(line)),
    })),
  },
  {
    why: "a Buildpack API that does not parse is printed",
    cases: ["err-group-api-empty"],
    expect: run(errorLine("'<nil>'", "''")),
  },
  {
    why: "a Buildpack API that does not parse is printed",
    cases: ["err-group-api-garbage"],
    expect: run(errorLine("'<nil>'", "'x'")),
  },
  {
    why: "a Buildpack API that does not parse is printed, in generated cases",
    cases: isGenerated,
    expect: outcomes(errorLine(BAD_BUILDPACK_API, "{api}")),
    ours: outcomes(errorLine(BAD_BUILDPACK_API, "{api}")),
  },
  {
    why: "the staging of a cache that fails is cleared",
    cases: isGenerated,
    expect: outcomes(withoutStaging),
    ours: outcomes(withoutStaging),
  },
  {
    why: "a layout's blobs are there before its image is, and stay when that fails",
    cases: isGenerated,
    expect: withoutOtherBlobs,
    ours: withoutOtherBlobs,
  },
  {
    why: "SBOMs are copied while images are still opened, so that they may be there when that fails",
    cases: isGenerated,
    expect: outcomes(withoutSbomsOfFailure),
    ours: outcomes(withoutSbomsOfFailure),
  },
  {
    why: "a PATH with an equals sign is kept",
    cases: ["run-path-equals-only"],
    expect: run(appConfig("PATH=/cnb/process:/cnb/lifecycle:", "PATH=/cnb/process:/cnb/lifecycle:/a=b:/c")),
  },
  {
    why: "a PATH with an equals sign is kept",
    cases: ["run-path-equals"],
    expect: run(appConfig("PATH=/cnb/process:/cnb/lifecycle:/second", "PATH=/cnb/process:/cnb/lifecycle:/a=b:/c")),
  },
  {
    why: "the report lists the names that were saved",
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
    cases: ({ args }) => args.includes("-parallel"),
    expect: outcomes(warnOfParallel),
  },
  {
    why: "when the app image fails, the cache beside it is canceled and stays unchanged",
    cases: ({ unordered }) => unordered,
    expect: stopCache,
    ours: outcomes(errorsOfFailure),
  },
  {
    why: "the build after a canceled cache starts from another cache",
    cases: ({ unordered }) => unordered,
    expect: withoutRunAfterFailure,
    ours: withoutRunAfterFailure,
  },
  {
    why: "no crash, where the reference exits silently",
    cases: isGenerated,
    expect: outcomes(asSilentCrash),
  },
  {
    why: "no crash",
    cases: everywhere,
    expect: (played) => {
      const run = asCrash(played.run);
      const isThere = run === played.run ? played.previousCacheManifestStillThere : undefined;
      return { previous: played.previous && asCrash(played.previous), run, previousCacheManifestStillThere: isThere };
    },
    ours: (played, { previous, run: last }) => {
      const ended = besideCrash(played.run, last);
      const isThere = ended === played.run ? played.previousCacheManifestStillThere : undefined;
      const first = played.previous && besideCrash(played.previous, previous);
      return { previous: first, run: ended, previousCacheManifestStillThere: isThere };
    },
  },
];

/** The reference's digest for every run image in a layout (docs/compatibility.md#layout-run-image-digest). */
const EMPTY_IMAGE = "sha256:9bff545fd88403019875bc484da593c84761e6c89bae9058b76d1054d54548d0";

/** The rows of the table that a case is subject to. */
export function differencesOf(given: ConformanceCase): readonly IntendedDifference[] {
  return INTENDED_DIFFERENCES.filter(({ cases }) =>
    typeof cases === "function" ? cases(given) : cases.includes(given.name),
  );
}

/** The digests are equally long, so that no size changes. */
function nameRunImage(layout: LayoutTexts): LayoutTexts {
  return { ...layout, config: layout.config.replace(`/tmp/tandem-case/run@${EMPTY_IMAGE}`, "{runImage}") };
}

function nameOciLayoutLayers(layout: LayoutTexts): LayoutTexts {
  const { manifest } = nameOciLayers({ ...layout, manifestContentType: OCI_MANIFEST });
  return { ...layout, manifest };
}
