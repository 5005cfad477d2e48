import { setTimeout as delay } from "node:timers/promises";
import type { RunningExporter } from "./exporter.ts";
import { seededRandom } from "./random.ts";

/** How often the command is killed. */
export const KILLS = Number(process.env.CRASH_KILLS ?? 4);
export const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
export const KILLS_TIMEOUT_MS = 60_000 + KILLS * 10_000;

/** Random moments that the seed repeats, as far as a machine does. */
export class RandomKills {
  readonly random = seededRandom(SEED).below;
  readonly #found = { old: 0, new: 0 };

  /** Kills a run at a moment within a little more than the time that it takes. @returns when it is gone */
  async kill(running: RunningExporter, wallMs: number): Promise<void> {
    const afterMs = this.random(Math.ceil(1.1 * wallMs));
    await Promise.race([delay(afterMs), running.ended]);
    running.process.kill("SIGKILL");
    await running.ended;
  }

  /** One more kill left the old state, or the new one. */
  count(found: "old" | "new"): void {
    this.#found[found] += 1;
  }

  /** @param what the things are, of which each kill left one */
  report(what: string): void {
    const { old, new: changed } = this.#found;
    console.info(`${old + changed} kills left ${old} old ${what} and ${changed} new ones`);
  }
}
