import { writeSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { SYSTEM_CLOCK } from "../../src/concurrency/clock.ts";
import type { RegistriesOptions } from "../../src/destinations/registry/registries.ts";
import type { GrowingBlob } from "../../src/engine/layer.ts";
import { Fault } from "../../src/errors/fault.ts";
import { UploadThreads } from "../../src/http/upload-threads.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { ownSpool } from "../support/files/spools.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { TestBlob } from "../support/growing-blob.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { seededBytes } from "../support/random.ts";
import { RealRegistry } from "../support/registry/real-registry.ts";
import { dockerRegistryProblem } from "../support/registry/registry-kinds.ts";
import { DOCKER_REGISTRY } from "../support/registry/registry-program.ts";
import { openRegistries } from "../support/registry/test-registries.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const ENTRY = fileURLToPath(new URL("../../workers/uploader.ts", import.meta.url));

/** More than what an upload waits for before it begins. */
const SENT = 5 << 20;

/** A blob of which {@link SENT} bytes are ready, and the failure of the rest. */
interface PartialBlob {
  readonly blob: GrowingBlob;
  fail(reason: unknown): void;
}

interface Sender {
  readonly options: Partial<RegistriesOptions>;
  open(): Promise<PartialBlob>;
}

const SENDERS: Readonly<Record<string, () => Sender>> = {
  "the main thread": () => ({
    options: {},
    open: async () => {
      const blob = new TestBlob(seededBytes(2 * SENT, 1));
      blob.growTo(SENT);
      return { blob, fail: (reason) => blob.fail(reason) };
    },
  }),
  "an upload thread": () => ({
    options: { uploadThreads: new UploadThreads(ENTRY, 1, {}, undefined) },
    open: async () => {
      const spool = await ownSpool(tempTree());
      writeSync(spool.fileDescriptor, seededBytes(SENT, 2), 0, SENT, spool.offset);
      spool.grow(SENT);
      onTestFinished(() => spool.fail(new Error("the test is over")));
      return { blob: spool, fail: (reason) => spool.fail(reason) };
    },
  }),
};

describe.skipIf(dockerRegistryProblem())("docker-registry keeps nothing of an upload", () => {
  let registry: RealRegistry;

  beforeEach(async () => {
    registry = await RealRegistry.start(DOCKER_REGISTRY);
  });

  afterEach(() => registry[Symbol.asyncDispose]());

  async function storedFiles(): Promise<string[]> {
    const entries = await readdir(registry.storage, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  }

  const ways = Object.keys(SENDERS).flatMap((sender) => [
    { sender, end: "is cancelled" },
    { sender, end: "cannot be completed" },
  ]);

  test("whose file is shorter than what was written to it, by an upload thread", async () => {
    const spool = await ownSpool(tempTree());
    writeSync(spool.fileDescriptor, seededBytes(SENT, 2), 0, SENT, spool.offset);
    spool.grow(SENT);
    onTestFinished(() => spool.fail(new Error("the test is over")));
    const uploadThreads = new UploadThreads(ENTRY, 1, {}, undefined);
    const registries = openRegistries(new RecordingLogger(), {}, { uploadThreads, clock: SYSTEM_CLOCK });
    const onBytes = (bytes: number) => {
      if (bytes === SENT) spool.grow(2 * SENT);
    };
    const put = registries
      .repository(parseReference(`${registry.host}/team/app`))
      .putBlob(spool, { priority: 0, onBytes });
    expect(await rejectionOf(put)).toMatchObject({ message: "the spool file is shorter than what was written to it" });
  });

  // The registry has 0.4 s, which it exceeds on a busy machine.
  test.each(ways)("that $end, by $sender", { retry: 3 }, async ({ sender, end }) => {
    const { options, open } = SENDERS[sender]?.() ?? expect.unreachable();
    const registries = openRegistries(new RecordingLogger(), {}, { ...options, clock: SYSTEM_CLOCK });
    const { blob, fail } = await open();
    const caller = new AbortController();
    const sent = Promise.withResolvers<void>();
    const put = rejectionOf(
      registries.repository(parseReference(`${registry.host}/team/app`)).putBlob(blob, {
        priority: 0,
        signal: caller.signal,
        onBytes: (bytes) => bytes >= SENT && sent.resolve(),
      }),
    );
    await sent.promise;
    const reason = new Fault("EXPORT_LAYER_READ", "the layer was not needed");
    if (end === "is cancelled") caller.abort(reason);
    else fail(reason);
    expect(await put).toBe(reason);
    await registries.close();
    // Checksums of its beginning, a few bytes, stay until the registry purges them.
    expect((await storedFiles()).filter((path) => !path.includes("/hashstates/"))).toEqual([]);
  });
});
