import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { z } from "zod";

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/** Time in a function, without its callees. */
interface SelfTime {
  readonly name: string;
  readonly ms: number;
}

/** One thread of a profiled process. */
export interface ThreadProfile {
  /** 0 is the main thread. */
  readonly thread: number;
  /** Without waiting. */
  readonly busyMs: number;
  readonly idleMs: number;
  /** In descending order. */
  readonly selfTimes: readonly SelfTime[];
}

/** An idle thread is in its event loop or in piscina's wait for the next task. */
const WAITING = /^(\(idle\)|atomicsWaitLoop )/;

/** Reads a profile of `node --cpu-prof`, whose name ends in `<process>.<thread>.<number>.cpuprofile`. */
export function readCpuProfile(path: string): ThreadProfile {
  const { nodes, samples, timeDeltas } = profileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const place = url === "" ? "" : ` ${basename(url)}:${lineNumber + 1}`;
      return [id, `${functionName || "(anonymous)"}${place}`];
    }),
  );
  const times = new Map<string, number>();
  for (const [i, sample] of samples.entries()) {
    const name = names.get(sample) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0) / 1000);
  }
  let idleMs = 0;
  for (const [name, ms] of times) {
    if (!WAITING.test(name)) continue;
    idleMs += ms;
    times.delete(name);
  }
  const selfTimes = Array.from(times, ([name, ms]) => ({ name, ms })).sort((a, b) => b.ms - a.ms);
  return {
    thread: Number(basename(path).split(".").at(-3)),
    busyMs: selfTimes.reduce((total, { ms }) => total + ms, 0),
    idleMs,
    selfTimes,
  };
}
