import { constants, readFileSync } from "node:fs";

const ACCESS_MODE = 0o3;

/** The access mode of a descriptor (fcntl(2), F_GETFL), from procfs, because Node has no call for it. */
export interface DescriptorFlags {
  readonly isReadOnly: boolean;
  readonly isNonBlocking: boolean;
}

export function readDescriptorFlags(descriptor: number): DescriptorFlags {
  const flags = read(descriptor);
  return {
    isReadOnly: (flags & ACCESS_MODE) === constants.O_RDONLY,
    isNonBlocking: (flags & constants.O_NONBLOCK) !== 0,
  };
}

function read(descriptor: number): number {
  try {
    const octal = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
    return octal === undefined ? constants.O_WRONLY : Number.parseInt(octal, 8);
  } catch {
    return constants.O_WRONLY;
  }
}
