import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../random.ts";
import type { RunningExporter } from "./exporter.ts";

export const KILLS = Number(process.env.CRASH_KILLS ?? 4);
export const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
export const KILLS_TIMEOUT_MS = 60_000 + KILLS * 10_000;

/** Random times that the seed reproduces, as far as a machine does. */
export class RandomKills {
  readonly random = seededRandom(SEED).below;
  readonly #found = { old: 0, new: 0 };

  /** Kills a run within a little more than its usual duration. @returns when the process has ended */
  async kill(running: RunningExporter, wallMs: number): Promise<void> {
    const afterMs = this.random(Math.ceil(1.1 * wallMs));
    await Promise.race([delay(afterMs), running.ended]);
    running.process.kill("SIGKILL");
    await running.ended;
  }

  count(found: "old" | "new"): void {
    this.#found[found] += 1;
  }

  report(what: string): void {
    const { old, new: changed } = this.#found;
    console.info(`${old + changed} kills left ${old} old ${what} and ${changed} new ones`);
  }
}
