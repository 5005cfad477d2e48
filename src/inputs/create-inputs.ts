import type { ExportSettings } from "./export-inputs.ts";

/** Settings of the creator for the phases before the export (docs/compatibility.md#creator). */
export interface BuildSettings {
  /** Absolute. */
  readonly buildConfigDir: string;
  /** Absolute. */
  readonly buildpacksDir: string;
  readonly orderPath: string;
  /** Absolute. */
  readonly platformDir: string;
  readonly systemPath: string;
  /** Buildpacks get neither layers nor metadata of earlier builds. */
  readonly skipRestore: boolean;
}

/** The creator's settings: those of the export, and those of the phases before it. */
export interface CreateInputs {
  /** `runImage` is what the user asked for, "" if the analyzer is to choose. */
  readonly settings: ExportSettings;
  readonly build: BuildSettings;
  /** All that the run image can turn out to be: what the user asked for, else the names that the analyzer chooses from. */
  readonly runImages: readonly string[];
}
