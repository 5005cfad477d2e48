import { paddedSize, RECORD_SIZE } from "./tar-fields.ts";
import { headerSize } from "./tar-header.ts";
import type { ScannedEntry } from "./tar-index.ts";
import {
  BYTES_PER_ENTRY,
  BYTES_PER_OWNER,
  isDevice,
  MINOR_BASE,
  RESTART,
  segmentView,
  type TarIndexSegment,
} from "./tar-index-segment.ts";

/**
 * Puts entries one after the other into a segment.
 * @param entries no more than a column of 16 bits can count owners
 * @param start offset in bytes of the first one in the tar
 */
export function buildSegment(entries: readonly ScannedEntry[], start: number): TarIndexSegment {
  const shared = sharedPrefixes(entries);
  const namesSize = entries.reduce((sum, e, i) => sum + e.name.length - (shared[i] as number) + e.linkName.length, 0);
  const owners = new Owners(entries);
  const [entryCount, ownerCount] = [entries.length, owners.count];
  const memory = new SharedArrayBuffer(BYTES_PER_OWNER * ownerCount + BYTES_PER_ENTRY * entryCount + namesSize);
  const segment = { memory, entryCount, ownerCount, start };
  const { columns, names } = segmentView(segment);
  columns.owners.set(owners.numbers);
  let offsetRecords = 0;
  let nameEnd = 0;
  for (const [i, entry] of entries.entries()) {
    const prefix = shared[i] as number;
    nameEnd += names.write(entry.name.slice(prefix), nameEnd, "latin1");
    nameEnd += names.write(entry.linkName, nameEnd, "latin1");
    const headerRecords = headerSize(entry) / RECORD_SIZE;
    columns.size[i] = isDevice(entry.type) ? entry.deviceMajor * MINOR_BASE + entry.deviceMinor : entry.size;
    columns.mtimeMs[i] = entry.mtimeMs;
    columns.ctimeMs[i] = entry.ctimeMs;
    columns.offsetRecords[i] = offsetRecords;
    columns.nameEnd[i] = nameEnd;
    columns.owner[i] = owners.indexOf(entry);
    columns.headerRecords[i] = headerRecords;
    columns.shared[i] = prefix;
    columns.linkLength[i] = entry.linkName.length;
    columns.mode[i] = entry.mode;
    columns.type[i] = entry.type;
    offsetRecords += headerRecords + paddedSize(entry.size) / RECORD_SIZE;
  }
  return segment;
}

/** Numbers the different owners of entries. */
class Owners {
  readonly #indexes = new Map<string, number>();
  readonly numbers: number[] = [];

  constructor(entries: readonly ScannedEntry[]) {
    for (const entry of entries) {
      const key = keyOf(entry);
      if (this.#indexes.has(key)) continue;
      this.#indexes.set(key, this.#indexes.size);
      this.numbers.push(entry.uid, entry.gid);
    }
  }

  get count(): number {
    return this.#indexes.size;
  }

  indexOf(entry: ScannedEntry): number {
    return this.#indexes.get(keyOf(entry)) as number;
  }
}

function keyOf({ uid, gid }: ScannedEntry): string {
  return `${uid}:${gid}`;
}

/** How many leading bytes each name shares with the one before it; 0 at restarts. */
function sharedPrefixes(entries: readonly ScannedEntry[]): Uint16Array {
  const shared = new Uint16Array(entries.length);
  for (let i = 1; i < entries.length; i++) {
    if (i % RESTART === 0) continue;
    const name = (entries[i] as ScannedEntry).name;
    const previous = (entries[i - 1] as ScannedEntry).name;
    const most = Math.min(name.length, previous.length, 0xffff);
    let same = 0;
    while (same < most && name.charCodeAt(same) === previous.charCodeAt(same)) same += 1;
    shared[i] = same;
  }
  return shared;
}
