import { createdBySlice } from "../cnb/created-by.ts";
import { toByteString } from "../oci/byte-string.ts";
import type { AppStep } from "./app-step.ts";
import type { PlanInputs } from "./plan-app.ts";
import type { WantedLayers } from "./wanted-layers.ts";

/**
 * The steps for the app layers: each slice, then the rest (docs/compatibility.md#app-slices). Any previous app layer's
 * diffID allows reuse.
 */
export function* sliceSteps({ settings, previous, build }: PlanInputs, wanted: WantedLayers): Generator<AppStep> {
  const { uid, gid } = settings;
  const appDir = toByteString(settings.appDir);
  const slices = build.slices.map(({ paths }) => paths.map(toByteString));
  const count = slices.length + 1;
  for (let index = 0; index < count; index += 1) {
    const number = index + 1;
    const id = `slice-${number}`;
    yield {
      kind: "layer",
      role: { kind: "app-slice", number, count },
      id,
      createdBy: createdBySlice(number, count),
      key: wanted.want(id, { kind: "app-slice", appDir, slices, index, uid, gid }, previous.app),
      previous: previous.app,
      making: "exporting app layers: creating app layers",
      adding: "exporting app layers",
    };
  }
}
