import { type Contender, reference, tandem } from "./contender.ts";
import { floors } from "./floors.ts";
import type { Link } from "./link-speed.ts";
import { peers } from "./peers.ts";
import type { Scenario } from "./scenarios.ts";

/**
 * Who takes part, in the order of their turns: ours and the reference in each mode, then peers (on loopback) and floors.
 * @param program the reference; undefined when there is none
 */
export function contendersOf(
  { modes, before }: Scenario,
  link: Link,
  workers: readonly number[],
  program: string | undefined,
): Contender[] {
  const isLoopback = link.bytesPerSecond === undefined;
  // On a link the number of threads hardly matters, and runs are long.
  const counts = isLoopback ? workers : workers.slice(-1);
  const exporters = modes.flatMap((mode) => [
    ...counts.map((count) => tandem(mode, count)),
    ...(program === undefined ? [] : [reference(mode, program)]),
  ]);
  if (before !== "nothing") return exporters;
  return [...exporters, ...(isLoopback ? peers() : []), ...floors(isLoopback)];
}
