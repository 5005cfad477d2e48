import type { SeededRandom } from "../random.ts";

export function concatenation(random: SeededRandom, pieces: readonly string[], bits = 4): string {
  return Array.from({ length: random.skewed(bits) + 1 }, () => random.pick(pieces)).join("");
}

/**
 * A text with some changes: pieces inserted; parts deleted, doubled, moved or repeated; single characters replaced.
 * @param pieces that mean something to the parser
 */
export function mutated(random: SeededRandom, text: string, pieces: readonly string[]): string {
  let changed = text;
  for (let changes = random.skewed(3); changes > 0; changes--) {
    const at = random.below(changed.length + 1);
    const end = Math.min(changed.length, at + random.skewed(6));
    const [before, part, after] = [changed.slice(0, at), changed.slice(at, end), changed.slice(end)];
    switch (random.below(7)) {
      case 0:
        changed = before + random.pick(pieces) + part + after;
        break;
      case 1:
        changed = before + after;
        break;
      case 2:
        changed = before + part + part + after;
        break;
      case 3:
        changed = part + before + after;
        break;
      case 4:
        changed = before + character(random) + changed.slice(at + 1);
        break;
      case 5:
        changed = before + random.pick(pieces).repeat(random.skewed(7)) + after;
        break;
      default:
        changed = before + random.pick(pieces) + after;
    }
  }
  return changed;
}

const RANGES = [0x20, 0x80, 0x100, 0x800, 0xd7ff, 0x10ffff];

function character(random: SeededRandom): string {
  return String.fromCodePoint(random.below(random.pick(RANGES)));
}
