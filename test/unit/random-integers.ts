/** Pseudo-random integers in `[0, below)`, the same in every run (xorshift32). */
export function randomIntegers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
