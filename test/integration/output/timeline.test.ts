import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { BrowserPage, browserProblem } from "../../support/output/headless-browser.ts";
import { refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** The first position from the top that shows a worker's block, found with the mouse. */
const FIND_BLOCK = `(() => {
  const [canvas, details] = [document.getElementById("canvas"), document.getElementById("details")];
  const box = canvas.getBoundingClientRect();
  for (let y = 40; y < box.height; y += 6)
    for (let x = 300; x < box.width; x += 2) {
      const at = { clientX: box.left + x, clientY: box.top + y };
      canvas.dispatchEvent(new PointerEvent("pointermove", at));
      if (!details.hidden && details.textContent.includes("compress ")) return { x: at.clientX, y: at.clientY };
    }
})()`;
const PICTURE = 'document.getElementById("canvas").toDataURL()';
const DETAILS = '(({ hidden, textContent }) => (hidden ? "" : textContent))(document.getElementById("details"))';

test("an HTML timeline is self-contained", async () => {
  const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
  const scene = await Scene.open(app, cache);
  const page = join(scene.output.root, "timeline.html");
  expect((await scene.export({ flags: ["-parallel", "-timeline", page] })).exitCode).toBe(0);
  const html = readFileSync(page, "utf8");
  expect(html).toContain('"app image ready"');
  expect(html).toContain('"cache ready"');
  expect(html).not.toMatch(/\b(src|href)=|@import|url\(|https?:/);
});

test("a failed export writes its timeline, here as .json", async () => {
  const app = await FakeRegistry.start();
  const scene = await Scene.open(app);
  const trace = join(scene.output.root, "timeline.json");
  app.faults.add({
    method: "PUT",
    target: /denied\/manifests/,
    times: 9,
    action: { answer: refusal(403, "DENIED", "no") },
  });
  const failed = await scene.export({ images: [`${app.host}/denied:latest`], flags: ["-timeline", trace] });
  expect(failed.exitCode).toBe(62);
  const { traceEvents } = JSON.parse(readFileSync(trace, "utf8"));
  const names = new Set(traceEvents.map(({ name }: { name: string }) => name));
  for (const name of ["read", "compress", "hash", "append", "samples/java:jdk", "waiting", "sent bytes"])
    expect(names).toContain(name);
  expect(traceEvents).toContainEqual(expect.objectContaining({ ph: "i", name: expect.stringContaining("failed: ") }));
});

test("a timeline that cannot be written is a warning", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const nowhere = await scene.export({ flags: ["-timeline", join(scene.output.root, "no", "where.json")] });
  expect(nowhere.exitCode).toBe(0);
  expect(nowhere.stderr).toContain("Warning: Failed to write timeline: open ");
});

test.skipIf(browserProblem !== undefined)(
  `a browser shows it, moves and zooms${browserProblem === undefined ? "" : ` (${browserProblem})`}`,
  async () => {
    const scene = await Scene.open(await FakeRegistry.start());
    const path = join(scene.output.root, "timeline.html");
    expect((await scene.export({ flags: ["-timeline", path] })).exitCode).toBe(0);
    await using page = await BrowserPage.open(path, "dark");
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(20, 23, 28)");
    const pictures = [await page.evaluate(PICTURE)];
    const look = async () => pictures.push(await page.evaluate(PICTURE));

    const { x, y } = z.object({ x: z.number(), y: z.number() }).parse(await page.evaluate(FIND_BLOCK));
    await page.mouse("mouseMoved", x, y, { button: "none" });
    expect(await page.evaluate(DETAILS)).toMatch(/^.*\nread [\d.]+ ms, compress [\d.]+ ms\n\d+ MiB blocks?\n/);
    await page.mouse("mouseWheel", x, y, { button: "none", deltaX: 0, deltaY: -400 });
    await look();
    await page.mouse("mousePressed", x, y);
    await page.mouse("mouseMoved", x - 90, y, { buttons: 1 });
    await page.mouse("mouseReleased", x - 90, y);
    await look();
    await page.press("+");
    await look();
    expect(new Set(pictures).size).toBe(4);
    await page.press("0");
    expect(await page.evaluate(PICTURE)).toBe(pictures[0]);
  },
);

test("a timeline file must end in .html or .json", async () => {
  const scene = await Scene.open(await FakeRegistry.start());
  const run = await scene.export({ flags: ["-timeline", "timeline.txt"] });
  expect(run).toMatchObject({ exitCode: 3 });
  expect(run.stderr).toContain("-timeline (CNB_EXPORT_TIMELINE) must be a file whose name ends in .html or .json");
});
