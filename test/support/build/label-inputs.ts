import { parsePlatformApi } from "../../../src/cnb/api.ts";
import type { LabelInputs } from "../../../src/images/labels.ts";

export function labelInputs(api: string, set: Partial<LabelInputs> = {}): LabelInputs {
  return {
    lifecycle: {
      app: ["aa"],
      sbom: undefined,
      buildpacks: [],
      config: "cc",
      launcher: "dd",
      processTypes: "",
      runImage: { topLayer: "tt", reference: "rr", image: "", mirrors: [] },
      stack: { image: "", mirrors: [] },
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
