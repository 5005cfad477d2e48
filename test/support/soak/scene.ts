import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { digestOf } from "../../../src/oci/digest.ts";
import { previousImageToml } from "../build/analyzed.ts";
import { type BuildOutput, buildpackDirectory, writeAnalyzed } from "../build/build-output.ts";
import { tempTree } from "../files/temp-tree.ts";
import { pushRunImage } from "../images/run-image.ts";
import type { VerifiedImage } from "../images/verify-image.ts";
import { flagsFor } from "../process/exporter.ts";
import { seededBytes } from "../random.ts";
import { FakeRegistry } from "../registry/registry.ts";
import { writeBuild } from "../scenes/scene.ts";

const CREDENTIALS = "user:secret";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

export interface SoakExport {
  readonly id: string;
  /** A second build, based on existing images of the first. */
  readonly isRebuild: boolean;
  readonly isOneRegistry: boolean;
  readonly isParallel: boolean;
  /** Names of the app image: paths in its registry. */
  readonly names: readonly string[];
}

/** Images of an export without faults: every export of the same build must push exactly these. */
export interface ExpectedImages {
  readonly app: string;
  readonly cache: string;
}

export class SoakScene {
  readonly app: FakeRegistry;
  readonly cache: FakeRegistry;
  readonly tempDir = tempTree();
  readonly #first: BuildOutput;
  readonly #second: BuildOutput;
  readonly #runImage: string;
  #prior: { readonly app: VerifiedImage; readonly cache: VerifiedImage } | undefined;

  private constructor(app: FakeRegistry, cache: FakeRegistry, runImage: string) {
    this.app = app;
    this.cache = cache;
    this.#runImage = runImage;
    this.#first = writeBuild();
    this.#second = writeBuild();
    for (const layer of ["jdk", "maven"])
      writeFileSync(join(buildpackDirectory(this.#second), layer, "second.bin"), seededBytes(200_000, layer.length));
  }

  static async open(): Promise<SoakScene> {
    const [user = "", password = ""] = CREDENTIALS.split(":");
    const app = await FakeRegistry.start({ auth: { kind: "bearer", username: user, password } });
    const cache = await FakeRegistry.start();
    for (const registry of [app, cache]) onTestFinished(() => registry[Symbol.asyncDispose]());
    if (app.auth !== undefined) app.auth.isSuspended = true;
    return new SoakScene(app, cache, await pushRunImage(`${app.host}/run`));
  }

  get credentials(): Readonly<Record<string, string>> {
    return { [this.app.host]: `Basic ${Buffer.from(CREDENTIALS).toString("base64")}` };
  }

  setPrior(app: VerifiedImage, cache: VerifiedImage): void {
    this.#prior = { app, cache };
  }

  outputOf({ isRebuild }: SoakExport): BuildOutput {
    return isRebuild ? this.#second : this.#first;
  }

  cacheRegistryOf({ isOneRegistry }: SoakExport): FakeRegistry {
    return isOneRegistry ? this.app : this.cache;
  }

  cacheNameOf(run: SoakExport): string {
    return `${this.cacheRegistryOf(run).host}/cache-${run.id}:latest`;
  }

  /** Copies images of the first build to where a rebuild finds them, and writes analyzed.toml. */
  async prepare(run: SoakExport): Promise<void> {
    const output = this.outputOf(run);
    rmSync(join(output.layersDir, "report.toml"), { force: true });
    let previous = "";
    if (run.isRebuild && this.#prior !== undefined) {
      const repository = run.names[0]?.split(":")[0] ?? "";
      await copyImage(this.app, "app-first", this.#prior.app, this.app, repository);
      await copyImage(this.app, "cache-first", this.#prior.cache, this.cacheRegistryOf(run), `cache-${run.id}`);
      previous = previousImageToml(`${this.app.host}/${repository}`, this.#prior.app);
    }
    writeAnalyzed(output, this.#runImage, previous);
    if (this.app.auth !== undefined) this.app.auth.isSuspended = false;
  }

  /** Ends all faults and authentication. @returns the faults that happened */
  settle(): readonly string[] {
    const happened = [this.app, this.cache].flatMap(({ faults }) => [...faults.happened]);
    for (const registry of [this.app, this.cache]) {
      registry.faults.clear();
      registry.requests.length = 0;
    }
    if (this.app.auth !== undefined) this.app.auth.isSuspended = true;
    return happened;
  }

  argsOf(run: SoakExport): string[] {
    const output = this.outputOf(run);
    const cache = ["-cache-image", this.cacheNameOf(run), ...(run.isParallel ? ["-parallel"] : [])];
    const names = run.names.map((name) => `${this.app.host}/${name}`);
    return [...flagsFor(output), ...cache, "-spool-dir", this.tempDir, "-workers", "1", ...names];
  }

  reportedBy(run: SoakExport): readonly string[] {
    try {
      const report = readFileSync(join(this.outputOf(run).layersDir, "report.toml"), "utf8");
      const list = /^ {2}tags = \[(.*)\]$/m.exec(report)?.[1] ?? "";
      return [...list.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
    } catch {
      return [];
    }
  }

  /** The digest that a name points to; undefined if it does not exist. */
  tagOf(name: string): string | undefined {
    const [host, path = ""] = [name.slice(0, name.indexOf("/")), name.slice(name.indexOf("/") + 1)];
    const registry = host === this.app.host ? this.app : this.cache;
    const [repository = "", tag = ""] = path.split(":");
    const bytes = registry.manifests.find(repository, tag);
    return bytes === undefined ? undefined : digestOf(bytes);
  }
}

async function copyImage(
  from: FakeRegistry,
  source: string,
  { layers }: VerifiedImage,
  to: FakeRegistry,
  target: string,
): Promise<void> {
  const bytes = from.manifests.find(source, "latest") ?? Buffer.alloc(0);
  const { config }: { config: { digest: string } } = JSON.parse(bytes.toString("utf8"));
  for (const { digest } of [config, ...layers]) await from.blobs.copyTo(digest, to.blobs, target);
  const url = `http://${to.host}/v2/${target}/manifests/latest`;
  const put = await fetch(url, {
    method: "PUT",
    headers: { "content-type": MANIFEST_TYPE },
    body: new Uint8Array(bytes),
  });
  if (!put.ok) throw new Error(`PUT ${url}: ${put.status} ${await put.text()}`);
}
