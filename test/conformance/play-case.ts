import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LAYOUTS, RUN_LAYOUT, writeRunLayout } from "./layouts.ts";
import { CASE_ROOT, materialize } from "./materialize.ts";
import { observe, type Scene } from "./observe.ts";
import { NOWHERE, type Placeholders, substitute } from "./placeholders.ts";
import { analyzePrevious, NOTHING_ANALYZED } from "./previous-analyzed.ts";
import type { ConformanceCase, Outcome, RecordedCase } from "./recorded-case.ts";
import { pushRunImage, readManifest } from "./registry-api.ts";
import { buildRunImage, type RunImage } from "./run-image.ts";
import type { Runner } from "./subject.ts";

/** A registry over plain http. */
export interface RegistryPlace extends AsyncDisposable {
  /** `127.0.0.1:<port of five digits>`: its length is part of some sizes. */
  readonly host: string;
}

/** The outcomes of a case's one or two builds. */
export interface Played {
  readonly previous: Outcome | undefined;
  readonly run: Outcome;
  /** Whether the first build's cache image can still be read by its digest; undefined when there was none. */
  readonly previousCacheManifestStillThere: boolean | undefined;
}

/** A case, and of its recorded facts those that are needed to play it. */
export interface PlayedCase {
  readonly case: ConformanceCase;
  readonly facts: Pick<RecordedCase["facts"], "analyzedToml" | "runImage">;
}

const NO_PREVIOUS = { previousApp: "", previousAnalyzed: NOTHING_ANALYZED };

/** The user that analyzed.toml belongs to. */
const BUILD_USER = 1000;

/** Plays a case from beginning to end, on registries of its own. Only a stage's process may (stage.ts). */
export async function playCase(
  { case: given, facts }: PlayedCase,
  runners: { readonly first: Runner; readonly last: Runner },
  startRegistry: () => Promise<RegistryPlace>,
): Promise<Played> {
  await using stack = new AsyncDisposableStack();
  const start = async () => stack.use(await startRegistry()).host;
  const scene = await setScene(given, facts, start);
  if (given.previous === undefined) {
    const { files } = given;
    return {
      previous: undefined,
      run: await build(given, files, scene, runners.last, ""),
      previousCacheManifestStillThere: undefined,
    };
  }
  const first = { ...given, ...given.previous };
  const previous = await build(first, first.files, scene, runners.first, "previous.");
  const digestOf = (name: string) => [...scene.digests].find((entry) => entry[1] === name)?.[0];
  const previousApp = digestOf("{previous.appDigest}") ?? "";
  const placeholders = { ...scene.placeholders, previousApp, previousAnalyzed: analyzePrevious(previous, LAYOUTS) };
  const run = await build(given, given.files, { ...scene, placeholders }, runners.last, "", facts.analyzedToml);
  const cache = digestOf("{previous.cacheDigest}");
  const found = placeholders.hosts.map((host) => cache !== undefined && readManifest(host, "cache", cache));
  const isThere = (await Promise.all(found)).some((manifest) => manifest);
  const previousCacheManifestStillThere = cache === undefined || found.length === 0 ? undefined : isThere;
  return { previous, run, previousCacheManifestStillThere };
}

async function setScene(
  given: ConformanceCase,
  facts: PlayedCase["facts"],
  start: () => Promise<string>,
): Promise<Scene> {
  const image = given.runImage && buildRunImage(given.runImage);
  if (facts.runImage !== undefined && image?.digest !== facts.runImage?.digest)
    throw new Error("the run image is not the recorded one");
  const placeholders = await findPlaceholders(given, image, start);
  return { placeholders, digests: new Map(), runImage: image, runImageLayers: image?.layerDigests ?? new Set() };
}

async function findPlaceholders(
  given: ConformanceCase,
  image: RunImage | undefined,
  start: () => Promise<string>,
): Promise<Placeholders> {
  if (image === undefined) return { hosts: [], runImage: `${NOWHERE}/run`, ...NO_PREVIOUS };
  if (given.runLayout !== undefined) {
    const hosts = JSON.stringify(given).includes("{registry}") ? [await start()] : [];
    return { hosts, runImage: `${RUN_LAYOUT}@${image.digest}`, ...NO_PREVIOUS };
  }
  const registry = await start();
  const others = JSON.stringify(given).includes("{registry2}") ? [await start()] : [];
  await pushRunImage(registry, image);
  return { hosts: [registry, ...others], runImage: `${registry}/run@${image.digest}`, ...NO_PREVIOUS };
}

/** @param analyzedToml replaces the file of the case, unless that has one of its own */
async function build(
  given: ConformanceCase,
  files: ConformanceCase["files"],
  scene: Scene,
  subject: Runner,
  label: string,
  analyzedToml?: string,
): Promise<Outcome> {
  const fill = (text: string) => substitute(text, scene.placeholders);
  materialize(files, fill, label === "" && given.previous !== undefined);
  if (given.runLayout !== undefined && scene.runImage !== undefined)
    writeRunLayout(scene.runImage, given.runLayout === "sparse");
  if (analyzedToml !== undefined && !files.some(({ path }) => path === "layers/analyzed.toml")) {
    const path = join(CASE_ROOT, "layers", "analyzed.toml");
    writeFileSync(path, fill(analyzedToml));
    chownSync(path, BUILD_USER, BUILD_USER);
  }
  const env: Record<string, string> = { PATH: "/bin", HOME: `${CASE_ROOT}/home`, TZ: "UTC" };
  // Exports that last tell how far they are, and a busy machine makes all of them last.
  env.CNB_EXPORT_PROGRESS = "none";
  // Twice as long as the reference tries to open an image: a busy machine takes longer.
  env.CNB_EXPORT_RETRY_BUDGET = "8s";
  if (given.platformApi !== null) env.CNB_PLATFORM_API = given.platformApi;
  for (const [name, value] of Object.entries(given.env)) env[name] = fill(value);
  const run = await subject.run(given.program, given.args.map(fill), env);
  return await observe(run, given, scene, label);
}
