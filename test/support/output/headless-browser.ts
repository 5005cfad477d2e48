import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { expect, vi } from "vitest";
import { z } from "zod";
import { processesOf } from "../process/process-state.ts";
import { WAIT } from "../runner/time-limits.ts";

const CHROMIUM = ["chromium", "chromium-browser", "google-chrome"].find(
  (name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0,
);

/** Reason why no browser is available; undefined if one is. */
export const browserProblem = CHROMIUM === undefined ? "needs chromium" : undefined;

const messageSchema = z.object({
  id: z.number().optional(),
  method: z.string().optional(),
  result: z.record(z.string(), z.unknown()).default({}),
  error: z.object({ message: z.string() }).optional(),
});

type Parameters = Readonly<Record<string, unknown>>;

/** A page in a headless browser without network access, driven over Chrome's DevTools protocol. */
export class BrowserPage {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #calls = new Map<number, PromiseWithResolvers<Parameters>>();
  readonly #loaded = Promise.withResolvers<void>();
  #session: string | undefined;

  private constructor() {
    this.#profile = mkdtempSync(join(tmpdir(), "tandem-browser-"));
    const flags = [
      "--headless",
      // The browser's sandbox needs privileges that a container may lack, and the page is trusted.
      "--no-sandbox",
      "--disable-gpu",
      "--host-resolver-rules=MAP * ~NOTFOUND",
      `--user-data-dir=${this.#profile}`,
      "--remote-debugging-pipe",
    ];
    // Files in its temporary and home directories are removed with the profile.
    const own = { TMPDIR: this.#profile, HOME: this.#profile, XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined };
    const env = { ...process.env, ...own };
    this.#child = spawn(CHROMIUM ?? "", flags, { env, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    let rest = "";
    (this.#child.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const messages = `${rest}${text}`.split("\0");
      rest = messages.pop() ?? "";
      for (const message of messages) this.#receive(message);
    });
  }

  static async open(path: string, scheme: "light" | "dark", width = 1200, height = 800): Promise<BrowserPage> {
    const page = new BrowserPage();
    const { targetId } = await page.#call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.#call("Target.attachToTarget", { targetId, flatten: true });
    page.#session = String(sessionId);
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await page.#call("Emulation.setEmulatedMedia", { features });
    await page.#call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    await page.#call("Page.enable", {});
    await page.#call("Page.navigate", { url: `file://${path}` });
    await page.#loaded.promise;
    return page;
  }

  /** Evaluates an expression after the page has drawn earlier changes. */
  async evaluate(expression: string): Promise<unknown> {
    const drawn = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))";
    const call = { expression: `${drawn}.then(() => (${expression}))`, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", call);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return z.object({ value: z.unknown() }).parse(result).value;
  }

  /** @param type `mouseMoved`, `mousePressed`, `mouseReleased` or `mouseWheel` */
  async mouse(type: string, x: number, y: number, more: Parameters = {}): Promise<void> {
    await this.#call("Input.dispatchMouseEvent", { type, x, y, button: "left", ...more });
  }

  async press(key: string): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) await this.#call("Input.dispatchKeyEvent", { type, key });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.#call("Page.captureScreenshot", { format: "png" });
    return Buffer.from(String(data), "base64");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
    // Its other processes write to the profile until they see that it has ended.
    await vi.waitFor(() => expect(processesOf(this.#profile)).toEqual([]), WAIT);
    rmSync(this.#profile, { recursive: true });
  }

  #call(method: string, params: Parameters): Promise<Parameters> {
    const id = this.#calls.size + 1;
    const call = Promise.withResolvers<Parameters>();
    this.#calls.set(id, call);
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return call.promise;
  }

  #receive(text: string): void {
    const { id, method, result, error } = messageSchema.parse(JSON.parse(text));
    if (method === "Page.loadEventFired") this.#loaded.resolve();
    if (id === undefined) return;
    if (error === undefined) this.#calls.get(id)?.resolve(result);
    else this.#calls.get(id)?.reject(new Error(error.message));
  }
}
