import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { openSpools } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** A layer's events and the final ones as `<event> <image>`. */
function stepsOf(events: readonly ExportEvent[], layer: string): string[] {
  return events.flatMap((event) => {
    const id = "layer" in event ? event.layer : "id" in event ? event.id : undefined;
    if (!id?.endsWith(`:${layer}`) || event.event === "layer") return [];
    const image = "image" in event ? ` ${event.image}` : "";
    const outcome = "outcome" in event ? ` ${event.outcome}` : "";
    return [`${event.event}${image}${outcome}`];
  });
}

test("events report the steps of a build and a rebuild and the reason of a failure; -log-format json writes JSON", async () => {
  const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
  const scene = await Scene.open(app, cache);
  const first = await scene.export({ flags: ["-parallel"] });
  const jdk = stepsOf(first.events, "jdk");
  expect(jdk[0]).toBe("layer-started");
  expect(jdk.toSorted()).toEqual([
    "layer-compressed",
    "layer-hashed",
    "layer-started",
    "upload-done app uploaded",
    "upload-done cache uploaded",
    "upload-started app",
    "upload-started cache",
  ]);
  const kinds = first.events.map(({ event }) => event);
  expect(kinds.filter((kind) => kind === "app-image-ready" || kind === "cache-ready")).toHaveLength(2);
  // The run image's layer is transferred, too, and has no id.
  expect(first.events).toContainEqual(expect.not.objectContaining({ layer: expect.anything(), event: "layer" }));
  const times = first.events.map(({ elapsedMs }) => elapsedMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));

  await scene.analyze();
  const again = await scene.export({ flags: ["-log-format", "json", "-log-level", "debug"] });
  expect(stepsOf(again.events, "jdk").toSorted()).toEqual([
    "layer-hashed",
    "layer-reused app",
    "layer-reused cache",
    "layer-started",
    "upload-done app existing",
    "upload-done cache existing",
  ]);
  const lines = `${again.stdout}${again.stderr}`.trimEnd().split("\n");
  for (const line of lines)
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number), msg: expect.any(String) });

  app.faults.add({
    method: "PUT",
    target: /denied\/manifests/,
    times: 9,
    action: { answer: refusal(403, "DENIED", "no") },
  });
  const failed = await scene.export({ images: [`${app.host}/denied:latest`] });
  expect(failed.exitCode).toBe(62);
  expect(failed.events).toContainEqual(
    expect.objectContaining({
      event: "error",
      code: expect.stringMatching(/^EXPORT_/),
      reason: expect.stringContaining("failed to export"),
    }),
  );
});

test("an export that lacks memory for its threads closes the event file", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const directory = tempTree({});
  using _ = vi.spyOn(WebAssembly, "Memory").mockImplementation(function refuse() {
    throw new RangeError("could not allocate memory");
  });
  const flags = ["-events", join(directory, "events.jsonl"), "-workers", "3"];
  const { stdout, stderr } = await exportInProcess(scene.arguments({ cache: "", flags }));
  expect(`${stdout}${stderr}`).toContain("could not allocate memory");
  expect(openSpools(directory)).toBe(0);
});
