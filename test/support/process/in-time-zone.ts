export function inTimeZone<T>(zone: string, call: () => T): T {
  const before = process.env.TZ;
  process.env.TZ = zone;
  try {
    return call();
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
}
