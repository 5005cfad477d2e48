/**
 * Counts the equal bytes at the start of two places, and copies between places that do not overlap, 16 bytes at a time:
 * by SIMD, or in words of 64 bits in the build for CPUs without it, which are x86-64 before SSE4.1 and what some
 * emulators show as their CPU. Both builds give the same bytes.
 */

@inline
export function commonBytes16(at: usize, candidate: usize): u32 {
  if (ASC_FEATURE_SIMD) return ctz<u32>(~i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(candidate))));
  const low = load<u64>(at) ^ load<u64>(candidate);
  const high = load<u64>(at, 8) ^ load<u64>(candidate, 8);
  return (<u32>ctz<u64>(low) >> 3) + select<u32>(<u32>ctz<u64>(high) >> 3, 0, low == 0);
}

@inline
export function commonBytes32(at: usize, candidate: usize): usize {
  if (ASC_FEATURE_SIMD) {
    const low = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(candidate)));
    const high = i8x16.bitmask(i8x16.eq(v128.load(at, 16), v128.load(candidate, 16)));
    return <usize>ctz<u64>(~(<u64>(<u32>low) | (<u64>(<u32>high) << 16)));
  }
  const low = commonBytes16(at, candidate);
  return <usize>(low < 16 ? low : <u32>16 + commonBytes16(at + 16, candidate + 16));
}

@inline
export function copy16(to: usize, from: usize): void {
  if (ASC_FEATURE_SIMD) {
    v128.store(to, v128.load(from));
    return;
  }
  store<u64>(to, load<u64>(from));
  store<u64>(to, load<u64>(from, 8), 8);
}
