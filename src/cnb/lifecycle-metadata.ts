import { withContext } from "../faults/fault.ts";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "../oci/go-json.ts";
import { buildpackRecordsJson, shaJson } from "./layer-record-json.ts";
import type { LifecycleMetadata, RunImageNames } from "./metadata.ts";

/**
 * The value of the label `io.buildpacks.lifecycle.metadata`, byte-identical to the reference's
 * (docs/compatibility.md#labels). Below Platform API 0.12 the names in `runImage` must be empty; those in `stack` are
 * always written.
 * @throws Fault `marshall metadata: ...` for layer data that JSON cannot hold
 */
export function lifecycleMetadataLabel(metadata: LifecycleMetadata): string {
  const { app, sbom, buildpacks, config, launcher, processTypes, runImage, stack } = metadata;
  try {
    return goJson(
      goStruct({
        app: app.length === 0 ? null : app.map(shaJson),
        sbom: sbom === undefined ? undefined : shaJson(sbom),
        buildpacks: buildpackRecordsJson(buildpacks),
        config: shaJson(config),
        launcher: shaJson(launcher),
        "process-types": shaJson(processTypes),
        runImage: goStruct({
          topLayer: runImage.topLayer,
          reference: runImage.reference,
          image: unlessEmpty(runImage.image),
          mirrors: unlessEmpty(runImage.mirrors),
        }),
        stack: goStruct({ runImage: namesJson(stack) }),
      }),
    );
  } catch (error) {
    throw withContext("marshall metadata", error);
  }
}

function namesJson({ image, mirrors }: RunImageNames): GoStruct {
  return goStruct({ image: unlessEmpty(image), mirrors: unlessEmpty(mirrors) });
}
