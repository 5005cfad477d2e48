import { expect } from "vitest";
import type { Registries } from "../../../src/destinations/registry/registries.ts";
import type { RegistryRepository } from "../../../src/destinations/registry/repository.ts";
import type { TagResult } from "../../../src/destinations/registry/tags.ts";
import { DEFAULT_TIMEOUTS, type Timeouts } from "../../../src/http/http.ts";
import { parseReference } from "../../../src/oci/reference.ts";
import { SkippingClock } from "../clock.ts";
import { TestBlob } from "../growing-blob.ts";
import { RecordingLogger } from "../output/recording-logger.ts";
import { seededBytes } from "../random.ts";
import type { FaultAction } from "../registry/faults.ts";
import { type FakeOptions, FakeRegistry } from "../registry/registry.ts";
import { testImage } from "../registry/test-image.ts";
import { OPTIONS, testRegistries } from "../registry/test-registries.ts";

/** For tests that wait for a timeout. Slow responses may time out, too, and are retried. */
export const SHORT_TIMEOUTS: Partial<Timeouts> = { responseMs: 100, commitMs: 100, stallMs: 100 };

export const REPOSITORY = "team/app";
export const UPLOADS = /\/blobs\/uploads\//;
export const BLOBS = /\/blobs\/sha256/;
export const MANIFESTS = /\/manifests\//;
export const ALWAYS = Number.POSITIVE_INFINITY;

export interface Push {
  readonly blob: TestBlob;
  readonly tag: TagResult | undefined;
}

/** A registry with scripted faults, and a client that pushes to it. Waits between attempts take no time. */
export class PushScene implements AsyncDisposable {
  readonly server: FakeRegistry;
  readonly logger = new RecordingLogger();
  readonly clock = new SkippingClock();
  readonly registries: Registries;
  readonly repository: RegistryRepository;

  private constructor(server: FakeRegistry, timeouts: Partial<Timeouts>, credentials: string | undefined) {
    this.server = server;
    this.registries = testRegistries(
      this.logger,
      credentials === undefined ? {} : { [server.host]: `Basic ${Buffer.from(credentials).toString("base64")}` },
      { clock: this.clock, timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts } },
    );
    this.repository = this.registries.repository(parseReference(`${server.host}/${REPOSITORY}`));
  }

  static async open(
    timeouts: Partial<Timeouts> = {},
    options: FakeOptions = {},
    credentials?: string,
  ): Promise<PushScene> {
    return new PushScene(await FakeRegistry.start(options), timeouts, credentials);
  }

  fail(method: string, target: RegExp, action: FaultAction, times = 1): void {
    this.server.faults.add({ method, target, action, times });
  }

  /** Pushes an image with one layer and its config under one tag. @throws errors of the blobs' uploads */
  async push(size = 1 << 20, seed = 1): Promise<Push> {
    const layer = seededBytes(size, seed);
    const blob = TestBlob.complete(layer);
    const { config, manifest } = testImage([layer]);
    await this.repository.putBlob(blob, OPTIONS);
    await this.repository.putBytes(config, OPTIONS);
    const name = parseReference(`${this.server.host}/${REPOSITORY}:v${seed}`);
    const [tag] = await this.repository.putTags([name], manifest, OPTIONS);
    return { blob, tag };
  }

  /** Pushes, and checks that the image is complete: the fake compares every digest. */
  async pushWhole(size?: number, seed = 1): Promise<Push> {
    const push = await this.push(size, seed);
    expect(push.tag).toMatchObject({ outcome: "pushed" });
    expect(this.server.blobs.has(REPOSITORY, push.blob.digest)).toBe(true);
    expect(this.server.manifests.find(REPOSITORY, `v${seed}`)).toBeDefined();
    return push;
  }

  /** Also checks that all scripted faults happened. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.registries.close();
    await this.server[Symbol.asyncDispose]();
    expect(this.server.faults.unused).toBe(0);
  }
}
