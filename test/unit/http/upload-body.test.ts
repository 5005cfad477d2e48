import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { UploadBody } from "../../../src/http/upload-body.ts";
import { TestBlob } from "../../support/growing-blob.ts";
import { seededBytes } from "../../support/random.ts";

const STALL_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function open(blob: TestBlob) {
  const hooks = {
    destination: "reg.example/app",
    stallMs: STALL_MS,
    admit: async () => undefined,
    onPosition: () => undefined,
  };
  const body = new UploadBody(blob, { from: 0, to: undefined, length: undefined }, hooks, undefined);
  return { body, chunks: body.open()[Symbol.asyncIterator]() };
}

test("a slow connection that makes progress never times out", async () => {
  const { body, chunks } = open(TestBlob.complete(seededBytes(1 << 20, 1)));
  while (!(await chunks.next()).done) vi.advanceTimersByTime(STALL_MS - 1);
  expect(body.signal.aborted).toBe(false);
});

test("a connection that accepts no waiting bytes times out", async () => {
  const { body, chunks } = open(TestBlob.complete(seededBytes(1 << 20, 1)));
  await chunks.next();
  await chunks.next();
  vi.advanceTimersByTime(STALL_MS);
  expect(body.signal.reason).toMatchObject({
    code: "EXPORT_REGISTRY_STALLED",
    message: "upload to reg.example/app stopped moving for 60s",
    hint: expect.stringMatching(/^Check that the registry of reg\.example\/app is healthy.* MTU /),
    isTemporary: true,
  });
});

test("waiting for bytes that are still being built never times out", async () => {
  const blob = new TestBlob(seededBytes(1 << 20, 1));
  blob.growTo(64 << 10);
  const { body, chunks } = open(blob);
  await chunks.next();
  const next = chunks.next();
  vi.advanceTimersByTime(10 * STALL_MS);
  expect(body.signal.aborted).toBe(false);
  blob.complete();
  expect((await next).done).toBe(false);
});

test("a listening body pauses at doubling offsets up to its limit", async () => {
  const pauses: number[] = [];
  let position = 0;
  const hooks = {
    destination: "reg.example/app",
    stallMs: STALL_MS,
    admit: async () => undefined,
    onPosition: (reached: number) => {
      position = reached;
    },
    listen: {
      untilBytes: 600 << 10,
      pause: async () => {
        pauses.push(position >> 10);
      },
    },
  };
  const blob = TestBlob.complete(seededBytes(2 << 20, 1));
  const body = new UploadBody(blob, { from: 0, to: undefined, length: undefined }, hooks, undefined);
  let size = 0;
  for await (const chunk of body.open()) size += chunk.length;
  expect(size).toBe(2 << 20);
  expect(pauses).toEqual([128, 256, 512]);
});

function openCancellable(length: number | undefined) {
  const blob = new TestBlob(seededBytes(1 << 20, 1));
  blob.growTo(64 << 10);
  const caller = new AbortController();
  const hooks = { destination: "reg.example/app", stallMs: STALL_MS, onPosition: () => undefined };
  const body = new UploadBody(blob, { from: 0, to: undefined, length }, hooks, caller.signal);
  return { blob, caller, body, chunks: body.open()[Symbol.asyncIterator]() };
}

test("a chunked body ends if it is cancelled, and its request is aborted only if it does not end soon", async () => {
  const { caller, body, chunks } = openCancellable(undefined);
  await chunks.next();
  const reason = new Error("stopped");
  caller.abort(reason);
  expect(await chunks.next()).toMatchObject({ done: true });
  expect(body.cancelled.reason).toBe(reason);
  expect(body.signal.aborted).toBe(false);
  vi.advanceTimersByTime(250);
  expect(body.signal.reason).toBe(reason);
});

test("a chunked body ends if its source fails", async () => {
  const { blob, body, chunks } = openCancellable(undefined);
  await chunks.next();
  const reason = new Fault("EXPORT_LAYER_READ", "a file changed");
  blob.fail(reason);
  expect(await chunks.next()).toMatchObject({ done: true });
  expect(body.cancelled.reason).toBe(reason);
  expect(body.close()).toBe(0);
  vi.advanceTimersByTime(STALL_MS);
  expect(body.signal.aborted).toBe(false);
});

test.each([
  ["has a length", 1 << 20, true],
  ["has not begun", undefined, false],
])("a body that %s aborts its request at once if it is cancelled", async (_, length, hasBegun) => {
  const { caller, body, chunks } = openCancellable(length);
  if (hasBegun) await chunks.next();
  const reason = new Error("stopped");
  caller.abort(reason);
  expect(body.signal.reason).toBe(reason);
  await expect(chunks.next()).rejects.toBe(reason);
});

test("a body whose request is over is no longer cancelled", async () => {
  const { caller, body, chunks } = openCancellable(undefined);
  await chunks.next();
  body.close();
  caller.abort(new Error("late"));
  expect(body.cancelled.aborted).toBe(false);
});

test("an error of the connection is not the source's", async () => {
  const { body, chunks } = openCancellable(undefined);
  await chunks.next();
  const reason = new Error("reset");
  await expect(chunks.throw?.(reason)).rejects.toBe(reason);
  expect(body.cancelled.aborted).toBe(false);
});

test("a system error of the source is a fault, and not a connection's", async () => {
  const { blob, body, chunks } = openCancellable(1 << 20);
  await chunks.next();
  blob.fail(Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", syscall: "read" }));
  const fault = { code: "EXPORT_SYSTEM", message: "EIO: i/o error, read" };
  await expect(chunks.next()).rejects.toMatchObject(fault);
  expect(body.signal.reason).toMatchObject(fault);
});
