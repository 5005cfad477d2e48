import { withContext, withDefaultHint } from "../errors/fault.ts";
import { goJson, goStruct, unlessEmpty } from "../go/json-encode.ts";
import type { FreeValue } from "./lifecycle-metadata.ts";

export interface ProjectMetadata {
  readonly source:
    | undefined
    | {
        readonly type: string;
        readonly version: Readonly<Record<string, FreeValue>>;
        readonly metadata: Readonly<Record<string, FreeValue>>;
      };
}

export function projectMetadataLabel({ source }: ProjectMetadata): string {
  if (source === undefined) return "{}";
  const { type, version, metadata } = source;
  try {
    return goJson(
      goStruct({
        source: goStruct({
          type: unlessEmpty(type),
          version: unlessEmpty(version),
          metadata: unlessEmpty(metadata),
        }),
      }),
    );
  } catch (error) {
    throw withDefaultHint(
      withContext("parse project metadata", error),
      "Correct project-metadata.toml, or report the platform that wrote it: JSON has no nan and no inf.",
    );
  }
}
