import { constants, readFileSync } from "node:fs";

const ACCESS_MODE = 0o3;

export interface DescriptorFlags {
  readonly isReadOnly: boolean;
  readonly isNonBlocking: boolean;
}

/**
 * Access mode and status flags of a descriptor (fcntl(2), F_GETFL), from procfs, because Node has no call for them.
 * Without procfs, those of a blocking descriptor for writing.
 */
export function readDescriptorFlags(descriptor: number): DescriptorFlags {
  const flags = readFlags(descriptor);
  return {
    isReadOnly: (flags & ACCESS_MODE) === constants.O_RDONLY,
    isNonBlocking: (flags & constants.O_NONBLOCK) !== 0,
  };
}

function readFlags(descriptor: number): number {
  try {
    const octal = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
    return octal === undefined ? constants.O_WRONLY : Number.parseInt(octal, 8);
  } catch {
    return constants.O_WRONLY;
  }
}
