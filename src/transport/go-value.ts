/** What is nested deeper is left out: it came from a server, and is shown to a person. */
const MAX_DEPTH = 50;

/** A decoded JSON value as Go's `%v` prints it: `map[Tag:latest]`, `[a b]`, `<nil>`; keys in byte order. */
export function goValue(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) return "...";
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map((item) => goValue(item, depth + 1)).join(" ")}]`;
  if (typeof value !== "object") return String(value);
  const members = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `map[${members.map(([key, member]) => `${key}:${goValue(member, depth + 1)}`).join(" ")}]`;
}
