/** A decoded JSON value as Go's `%v` prints it: `map[Tag:latest]`, `[a b]`, `<nil>`; keys in byte order. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(goValue).join(" ")}]`;
  if (typeof value !== "object") return String(value);
  const members = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `map[${members.map(([key, member]) => `${key}:${goValue(member)}`).join(" ")}]`;
}
