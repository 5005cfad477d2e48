import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { WORKER_BYTES } from "../../../src/process/machine.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { readEvents } from "../../support/process/exporter.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

const MIB = 1 << 20;

/** Bytes in unnamed files of a directory that a process has open. */
function spooledBytes(pid: number, directory: string): number {
  const sizes = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    const path = `/proc/${pid}/fd/${fd}`;
    try {
      return readlinkSync(path).startsWith(directory) ? statSync(path).size : 0;
    } catch {
      return 0; // closed in the meantime
    }
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function largeScene(): Promise<{ readonly registry: FakeRegistry; readonly scene: Scene }> {
  const registry = await FakeRegistry.start();
  const scene = await Scene.open(registry);
  const text = Buffer.alloc(3 * MIB, "some text that compresses as text does, more or less\n");
  for (let i = 0; i < 75; i++)
    writeFileSync(scene.layerPath(i % 3 === 0 ? "maven" : "jdk", `part-${i}`), Buffer.concat([randomBytes(MIB), text]));
  return { registry, scene };
}

/** Sizes are in bytes. */
interface Footprint {
  readonly images: readonly string[];
  /** Peak resident memory. */
  readonly peak: number;
  /** Peak size of the spool. */
  readonly spooled: number;
  readonly layers: readonly Extract<ExportEvent, { readonly event: "layer" }>[];
}

/** Exports to repositories of this number of workers. */
async function exportLarge(
  { registry, scene }: Awaited<ReturnType<typeof largeScene>>,
  workers: number,
): Promise<Footprint> {
  const spool = tempTree();
  const flags = ["-parallel", "-workers", String(workers), "-spool-dir", spool];
  const [app = "", cache = ""] = ["app", "cache"].map((name) => `${registry.host}/${name}-${workers}:latest`);
  const { running, eventsPath } = scene.start({ images: [app], cache, flags });
  const pid = running.process.pid ?? 0;
  let spooled = 0;
  let status = "";
  const look = async (proceed: () => Promise<Reply>) => {
    spooled = Math.max(spooled, spooledBytes(pid, spool));
    status = readFileSync(`/proc/${pid}/status`, "utf8");
    return proceed();
  };
  const times = Number.POSITIVE_INFINITY;
  for (const method of ["POST", "PATCH", "PUT"])
    registry.faults.add({
      method,
      target: new RegExp(`^/v2/(app|cache)-${workers}/`),
      times,
      action: { around: look },
    });
  expect(await running.ended).toMatchObject({ exitCode: 0 });
  const layers = readEvents(eventsPath).filter((event) => event.event === "layer");
  // The last measurement is at the cache's manifest, which is pushed last.
  const peak = 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { images: [app, cache], peak, spooled, layers };
}

const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

test("exporting 300 MB needs less memory, writes nothing uncompressed, and keeps each worker within its limit", async () => {
  const large = await largeScene();
  const { images, peak, spooled, layers } = await exportLarge(large, 2);
  for (const image of images) await verifyImage(image);
  expect(sum(layers.map(({ tarSize }) => tarSize))).toBeGreaterThan(300e6);
  expect(peak).toBeGreaterThan(0);
  // Measured: 147 MB.
  expect(peak).toBeLessThan(165e6);
  expect(spooled).toBeGreaterThan(0);
  expect(spooled).toBeLessThanOrEqual(sum(layers.map(({ size }) => size ?? 0)));
  const many = await exportLarge(large, 10);
  // Measured: 14.7 MB a worker, with its share of three more threads that hash and send.
  expect((many.peak - peak) / 8).toBeLessThan(WORKER_BYTES);
});

test.for([
  { tags: [], leaves: "nothing" },
  { tags: ["other:v1"], leaves: "what another repository may need" },
])("a blob that is where it belongs leaves $leaves in the spool", async ({ tags }) => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.open(registry);
  const spool = tempTree();
  const images = [scene.appImage, ...tags.map((tag) => `${registry.host}/${tag}`)];
  const { running, eventsPath } = scene.start({ images, cache: "", flags: ["-spool-dir", spool] });
  const left = Promise.withResolvers<number>();
  const look = async (proceed: () => Promise<Reply>) => {
    // Closing takes a moment, during which the command waits for this response.
    for (let turn = 0; turn < 1000 && spooledBytes(running.process.pid ?? 0, spool) > 0; turn++)
      await new Promise<void>((resolve) => setImmediate(resolve));
    left.resolve(spooledBytes(running.process.pid ?? 0, spool));
    return proceed();
  };
  registry.faults.add({ method: "PUT", target: /\/v2\/app\/manifests/, action: { around: look } });
  expect(await running.ended).toMatchObject({ exitCode: 0 });
  const sizes = readEvents(eventsPath).map((event) => (event.event === "layer" ? (event.size ?? 0) : 0));
  expect(await left.promise).toBe(tags.length === 0 ? 0 : sizes.reduce((sum, size) => sum + size, 0));
});
