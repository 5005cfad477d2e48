import { once } from "node:events";
import { writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { RegistriesOptions } from "../../src/destinations/registry/registries.ts";
import type { SpooledBlob } from "../../src/engine/spool.ts";
import { Fault } from "../../src/errors/fault.ts";
import { DEFAULT_TIMEOUTS } from "../../src/http/http.ts";
import { type BodyHooks, UploadBody } from "../../src/http/upload-body.ts";
import { fileBody, UploadThreads } from "../../src/http/upload-threads.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { ownSpool, spoolsClosed } from "../support/files/spools.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { CertificateAuthority } from "../support/network/certificate.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { seededBytes } from "../support/random.ts";
import { refusal } from "../support/registry/exchange.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { OPTIONS, openRegistries } from "../support/registry/test-registries.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const ENTRY = fileURLToPath(new URL("../../workers/uploader.ts", import.meta.url));
const UPLOADS = /\/blobs\/uploads\//;
const SIZE = 10 << 20;
const BROKEN_AT = 6_000_000;

let server: FakeRegistry;
let directory: string;
let spool: SpooledBlob;

beforeEach(async () => {
  server = await FakeRegistry.start();
  directory = tempTree();
  spool = await ownSpool(directory);
});

afterEach(async () => {
  expect(server.faults.unused).toBe(0);
  await server[Symbol.asyncDispose]();
});

function threads(entry = ENTRY, environment = {}) {
  const own = new UploadThreads(entry, 2, environment, undefined);
  return { own, exchange: vi.spyOn(own, "exchange") };
}

function connect(uploadThreads: UploadThreads, options: Partial<RegistriesOptions> = {}, at = server) {
  const registries = openRegistries(new RecordingLogger(), {}, { uploadThreads, ...options });
  return { registries, repository: registries.repository(parseReference(`${at.host}/team/app`)) };
}

/** Appends to the spool, as a digesting thread does. */
function append(bytes: Buffer): void {
  writeSync(spool.fileDescriptor, bytes, 0, bytes.length, spool.offset + spool.available);
  spool.grow(spool.available + bytes.length);
}

function complete(bytes: Buffer) {
  append(bytes.subarray(spool.available));
  spool.complete({ digest: digestOf(bytes), size: bytes.length });
}

async function turns(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}

describe("a large blob", () => {
  test("is sent by a thread while it grows", async () => {
    const { own, exchange } = threads();
    const { repository, registries } = connect(own);
    const bytes = seededBytes(SIZE, 1);
    const seen: number[] = [];
    append(bytes.subarray(0, 5 << 20));
    const put = repository.putBlob(spool, { ...OPTIONS, onBytes: (sent) => seen.push(sent) });
    await turns(() => (seen.at(-1) ?? 0) >= 5 << 20);
    complete(bytes);
    expect(await put).toMatchObject({ outcome: "uploaded", size: SIZE });
    expect(server.blobs.has("team/app", digestOf(bytes))).toBe(true);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(exchange).toHaveBeenCalledOnce();
    expect(registries.counters).toMatchObject({ uploads: 1, retries: 0 });
    await spool.release();
    await spoolsClosed(directory);
  });

  test("is sent over TLS that SSL_CERT_FILE vouches for", async () => {
    const authority = new CertificateAuthority();
    await using secure = await FakeRegistry.start({ tls: authority.issue("127.0.0.1") });
    const environment = { SSL_CERT_FILE: join(tempTree({ "ca.pem": authority.pem }), "ca.pem") };
    const { own, exchange } = threads(ENTRY, environment);
    const { repository } = connect(own, { environment }, secure);
    const bytes = seededBytes(SIZE, 2);
    complete(bytes);
    expect(await repository.putBlob(spool, OPTIONS)).toMatchObject({ outcome: "uploaded" });
    expect(secure.blobs.has("team/app", digestOf(bytes))).toBe(true);
    expect(exchange).toHaveBeenCalledOnce();
  });

  test("resumes at the registry's offset when the connection breaks", async () => {
    server.faults.add({ method: "PATCH", target: UPLOADS, action: { dropAfterBytes: BROKEN_AT } });
    const { own } = threads();
    const { repository, registries } = connect(own);
    complete(seededBytes(SIZE, 3));
    expect(await repository.putBlob(spool, OPTIONS)).toMatchObject({ outcome: "uploaded" });
    const patches = server.requests.filter(({ method }) => method === "PATCH");
    expect(patches.map(({ headers }) => headers["content-range"])).toEqual([undefined, `${BROKEN_AT}-${SIZE - 1}`]);
    expect(registries.counters).toMatchObject({ uploads: 1, retries: 1 });
  });

  test("fails with the registry's reason when the registry refuses it early", async () => {
    server.faults.add({
      method: "PATCH",
      target: UPLOADS,
      action: { answer: refusal(413, "SIZE_INVALID", "layers may have 5 MiB") },
    });
    const { repository } = connect(threads().own);
    complete(seededBytes(SIZE, 4));
    const error = await rejectionOf(repository.putBlob(spool, OPTIONS));
    expect(error).toMatchObject({ status: 413, code: "EXPORT_REGISTRY_REFUSED" });
    expect(String(error)).toContain("SIZE_INVALID: layers may have 5 MiB");
  });

  test("counts as stalled when its connection accepts no more data", async () => {
    server.faults.add({ method: "PATCH", target: UPLOADS, action: { silentAfterBytes: 1000 } });
    const timeouts = { ...DEFAULT_TIMEOUTS, stallMs: 300, responseMs: 300 };
    const retried: unknown[] = [];
    const onRetry = (error: unknown) => retried.push(error);
    const { repository } = connect(threads().own, { timeouts, onRetry });
    complete(seededBytes(30 << 20, 5));
    expect(await repository.putBlob(spool, OPTIONS)).toMatchObject({ outcome: "uploaded" });
    expect(retried[0]).toMatchObject({ code: "EXPORT_REGISTRY_STALLED", silentMs: 300 });
  });

  test("fails in the reference's words when redirected to a host that is down", async () => {
    const gone = await FakeRegistry.start();
    const { host } = gone;
    await gone[Symbol.asyncDispose]();
    const headers = { location: `http://${host}/elsewhere?signature=secret` };
    server.faults.add({ method: "PATCH", target: UPLOADS, action: { answer: { status: 307, headers } } });
    const { repository } = connect(threads().own, { timeouts: { ...DEFAULT_TIMEOUTS, budgetMs: 0 } });
    complete(seededBytes(SIZE, 6));
    expect(await rejectionOf(repository.putBlob(spool, OPTIONS))).toMatchObject({
      code: "EXPORT_REGISTRY_UNREACHABLE",
      message: `Patch "http://${host}/elsewhere?signature=REDACTED": dial tcp ${host}: connect: connection refused`,
      hasNeverAnswered: true,
    });
  });

  test("ends its upload with the producer's fault when the producer fails", async () => {
    const { own, exchange } = threads();
    const { repository } = connect(own);
    append(seededBytes(5 << 20, 7));
    const put = rejectionOf(repository.putBlob(spool, OPTIONS));
    await turns(() => exchange.mock.calls.length > 0);
    const reason = new Fault("EXPORT_LAYER_CHANGED", "file changed while it was read");
    spool.fail(reason);
    expect(await put).toBe(reason);
    await spoolsClosed(directory);
  });

  test("is canceled when its caller aborts", async () => {
    const { own, exchange } = threads();
    const { repository } = connect(own);
    const controller = new AbortController();
    append(seededBytes(5 << 20, 8));
    const put = rejectionOf(repository.putBlob(spool, { ...OPTIONS, signal: controller.signal }));
    await turns(() => exchange.mock.calls.length > 0);
    controller.abort(new Error("app failed"));
    expect(await put).toMatchObject({ message: "app failed" });
    await turns(() => server.count("DELETE", UPLOADS) > 0);
    spool.fail(new Error("canceled"));
    await spoolsClosed(directory);
  });
});

test("a small blob is sent by the main thread", async () => {
  const { own, exchange } = threads();
  const { repository } = connect(own);
  complete(seededBytes(1 << 20, 9));
  expect(await repository.putBlob(spool, OPTIONS)).toMatchObject({ outcome: "uploaded" });
  expect(exchange).not.toHaveBeenCalled();
});

test("a thread sends no chunk before it is admitted", async () => {
  const { own } = threads();
  const sink = createServer((request, response) => request.resume().once("end", () => response.end()));
  await once(sink.listen(0, "127.0.0.1"), "listening");
  onTestFinished(async () => {
    await own.close();
    sink.close();
  });
  complete(seededBytes(SIZE, 10));
  let [admitted, sent] = [0, 0];
  const hooks: BodyHooks = {
    destination: "team/app",
    stallMs: 60_000,
    admit: async (bytes) => {
      await new Promise((resolve) => setImmediate(resolve));
      admitted += bytes;
    },
    onPosition: (position) => {
      expect(position).toBeLessThanOrEqual(admitted);
      sent = position;
    },
  };
  const body = new UploadBody(spool, { from: 0, to: undefined, length: SIZE }, hooks, undefined);
  const file = fileBody(body);
  const request = { method: "PUT", path: "/", headers: {}, headersTimeoutMs: 60_000, bodyTimeoutMs: 60_000 };
  const route = {
    url: new URL(`http://127.0.0.1:${(sink.address() as AddressInfo).port}`),
    isInsecure: false,
    proxy: undefined,
    connectMs: 30_000,
  };
  if (file === undefined) throw new Error("the spool is not in a file");
  const { status } = await own.exchange(route, request, file);
  expect({ status, admitted, sent }).toEqual({ status: 200, admitted: SIZE, sent: SIZE });
});

test.each([
  ["exits", "module.exports = () => process.exit(3);"],
  ["does not start", 'throw new Error("no start");'],
])("after a thread that %s the main thread sends the blob", async (_how, code) => {
  const { own, exchange } = threads(join(tempTree({ "dying.cjs": code }), "dying.cjs"));
  const { repository, registries } = connect(own);
  const bytes = seededBytes(SIZE, 11);
  complete(bytes);
  expect(await repository.putBlob(spool, OPTIONS)).toMatchObject({ outcome: "uploaded" });
  expect(server.blobs.has("team/app", digestOf(bytes))).toBe(true);
  expect(exchange).toHaveBeenCalledOnce();
  expect(registries.counters).toMatchObject({ uploads: 1, retries: 1 });
});
