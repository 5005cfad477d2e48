import { parsePlatformApi } from "../../../src/cnb/api.ts";
import type { LabelInputs } from "../../../src/images/labels.ts";
import { EMPTY_METADATA } from "./plan-inputs.ts";

export function labelInputs(api: string, set: Partial<LabelInputs> = {}): LabelInputs {
  return {
    lifecycle: {
      ...EMPTY_METADATA,
      app: ["aa"],
      config: "cc",
      launcher: "dd",
      runImage: { topLayer: "tt", reference: "rr", image: "", mirrors: [] },
    },
    build: {
      bom: null,
      buildpacks: null,
      extensions: null,
      labels: [],
      processes: null,
      slices: [],
      defaultProcessType: "",
    },
    project: { source: undefined },
    launcher: { version: "0.0.0", repository: "", commit: "" },
    execEnv: "production",
    platformApi: parsePlatformApi(api),
    ...set,
  };
}
