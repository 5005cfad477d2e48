/**
 * Binary search in what is in order: the number of the last of `count` that starts at or before `position`; 0 if there is
 * none.
 */
export function lastAtOrBefore(position: number, count: number, startOf: (i: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startOf(middle) <= position) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
