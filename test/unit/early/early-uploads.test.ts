import { expect, onTestFinished, test, vi } from "vitest";
import { READY_BYTES } from "../../../src/destinations/registry/upload.ts";
import { EarlyUploads } from "../../../src/early/early-uploads.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { Monitor } from "../../../src/observe/monitor.ts";
import { summarize } from "../../../src/observe/summary/summary.ts";
import { parseReference } from "../../../src/oci/reference.ts";
import { ManualClock } from "../../support/clock.ts";
import { TestBlob } from "../../support/growing-blob.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { seededBytes } from "../../support/random.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { testRegistries } from "../../support/registry/test-registries.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

const UPLOADS = /\/blobs\/uploads\//;

async function scene() {
  const server = await FakeRegistry.start();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const [logger, clock] = [new RecordingLogger(), new ManualClock()];
  const registries = testRegistries(logger, {}, { clock });
  onTestFinished(() => {
    const closed = registries.close();
    clock.pass(60_000);
    return closed;
  });
  const repository = registries.repository(parseReference(`${server.host}/app`));
  return { server, logger, clock, repository, uploads: new EarlyUploads(repository, logger) };
}

const BYTES = seededBytes(100_000, 1);

test("an upload that waits for a retry when the build ends is restarted by the export", async () => {
  const { server, clock, repository, uploads } = await scene();
  const answer = { status: 503 };
  server.faults.add({ method: "PATCH", target: UPLOADS, times: Number.POSITIVE_INFINITY, action: { answer } });
  const blob = TestBlob.complete(BYTES);
  uploads.start(blob);
  await vi.waitFor(() => expect(clock.pending.length).toBeGreaterThan(0), WAIT);
  server.faults.clear();
  uploads.handOver();
  // The clock stands still: nothing waits for it.
  expect(await repository.putBlob(blob, { priority: 0 })).toMatchObject({ outcome: "uploaded" });
});

test("an upload in progress when the build ends continues, and the export joins and counts it", async () => {
  const { server, repository, uploads } = await scene();
  const release = Promise.withResolvers<void>();
  server.faults.add({
    method: "PATCH",
    target: UPLOADS,
    action: { around: (proceed) => release.promise.then(() => proceed()) },
  });
  const blob = TestBlob.complete(BYTES);
  uploads.start(blob);
  await vi.waitFor(() => expect(server.count("PATCH", UPLOADS)).toBe(1), WAIT);
  uploads.handOver();
  const monitor = new Monitor();
  const transfer = monitor.transfer({ destination: "app", image: "app", unit: "blob" });
  const onBegin = (offset: number) => transfer.begin(offset);
  const onBytes = (bytes: number) => transfer.reach(bytes);
  const put = repository.putBlob(blob, { priority: 0, onBegin, onBytes });
  expect([transfer.state, transfer.sent]).toEqual(["sending", BYTES.length]);
  release.resolve();
  const { digest, size, outcome } = await put;
  transfer.done(digest, size, outcome);
  expect([outcome, size]).toEqual(["uploaded", BYTES.length]);
  expect(summarize(monitor, undefined).sentBytes).toBe(BYTES.length);
  expect(server.count("PATCH", UPLOADS)).toBe(1);
});

test.each([
  ["before the export is looked for and uploaded again", "before"],
  ["after the export found it is uploaded again as soon as a manifest is refused for it", "after"],
])("a blob that the registry collects %s", async (_name, lost) => {
  const { server, repository, uploads } = await scene();
  const blob = TestBlob.complete(BYTES);
  uploads.start(blob);
  await vi.waitFor(() => expect(server.blobs.has("app", blob.digest)).toBe(true), WAIT);
  await repository.putBlob(blob, { priority: 0 });
  uploads.handOver();
  if (lost === "after") {
    expect(await repository.putBlob(blob, { priority: 0 })).toMatchObject({ outcome: "existing" });
    server.blobs.unlink("app", blob.digest);
    const missing = { digests: [blob.digest], areNamed: true };
    expect(await repository.markMissing(missing, { priority: 0 })).toEqual([blob.digest]);
  } else server.blobs.unlink("app", blob.digest);
  expect(await repository.putBlob(blob, { priority: 0 })).toMatchObject({ outcome: "uploaded" });
});

// The registry has 0.4 s, which it exceeds on a busy machine.
test("an upload whose layer fails is cancelled", { retry: 3 }, async () => {
  const { server, logger, uploads } = await scene();
  const blob = new TestBlob(seededBytes(2 * READY_BYTES, 2));
  uploads.start(blob);
  blob.growTo(READY_BYTES);
  await vi.waitFor(() => expect(server.count("PATCH", UPLOADS)).toBe(1), WAIT);
  blob.fail(new Fault("EXPORT_LAYER_CHANGED", "a file was written to"));
  await vi.waitFor(() => expect(server.blobs.pending).toBe(0), WAIT);
  await vi.waitFor(() => expect(logger.lines.join()).toContain("a file was written to"), WAIT);
  expect(server.count("PUT", UPLOADS)).toBe(0);
});

test("without the right to push, nothing is sent", async () => {
  const { server, logger, uploads } = await scene();
  const answer = { status: 403, body: JSON.stringify({ errors: [{ code: "DENIED", message: "not you" }] }) };
  server.faults.add({ method: "POST", target: UPLOADS, action: { answer } });
  const [first, second] = [uploads.start(TestBlob.complete(BYTES)), uploads.start(TestBlob.complete(BYTES))];
  await vi.waitFor(() => expect(logger.lines.join()).toContain("Not uploading layers early"), WAIT);
  expect([first.sentBytes, second.sentBytes, server.count("POST", UPLOADS)]).toEqual([0, 0, 1]);
});
