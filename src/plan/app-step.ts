import type { Fault } from "../faults/fault.ts";
import type { BuildpackLayer, BuildpackLayers } from "../inputs/export-inputs.ts";

/**
 * One step of the plan for the app image. Steps are walked in order, each with its log lines
 * (docs/compatibility.md#log-order). A `fault` step is thrown when the walk reaches it; it is always the last one.
 */
export type AppStep = BuildpackStep | AppLayerStep | ReuseStep | FaultStep;

/** A buildpack's directory begins: its launch layers follow. */
export interface BuildpackStep {
  readonly kind: "buildpack";
  readonly layers: BuildpackLayers;
}

/** A launch layer of a buildpack. */
export interface LaunchRole {
  readonly kind: "launch";
  readonly layer: BuildpackLayer;
}

/**
 * The kind of a layer (docs/compatibility.md#layer-order). An app slice's `number` counts from 1 to `count`, the rest
 * layer included.
 */
export type AppLayerRole =
  | { readonly kind: "extension" }
  | LaunchRole
  | { readonly kind: "launch-sbom"; readonly path: string }
  | { readonly kind: "app-slice"; readonly number: number; readonly count: number }
  | { readonly kind: "launcher" }
  | { readonly kind: "config" }
  | { readonly kind: "process-types" };

/** A layer that is made from local contents, and then reused from the previous image or added. */
export interface AppLayerStep {
  readonly kind: "layer";
  readonly role: AppLayerRole;
  /** As the reference's log shows it. */
  readonly id: string;
  readonly createdBy: string;
  /** Of the LayerPlan that makes it. */
  readonly key: string;
  /** What earlier metadata has for it, unchecked: a diffID equal to one of them means reuse. */
  readonly previous: readonly string[];
  /** What the reference puts before a failure to make the layer; "" for nothing. */
  readonly making: string;
  /** The same for a failure to reuse or add it. */
  readonly adding: string;
}

/** A launch layer without local contents: the previous image's is taken as it is. */
export interface ReuseStep {
  readonly kind: "reuse";
  readonly role: LaunchRole;
  readonly id: string;
  readonly createdBy: string;
  /** From analyzed.toml, unchecked. */
  readonly diffId: string;
  readonly adding: string;
}

/** The inputs do not allow to go on. */
export interface FaultStep {
  readonly kind: "fault";
  /** The launch layer that it is about, whose log line comes before the fault. */
  readonly role: LaunchRole | undefined;
  readonly fault: Fault;
}
