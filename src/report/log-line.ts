/** Levels of log lines; `fatal` exists as a threshold only. */
export type LineLevel = "debug" | "info" | "warn" | "error";

/** What the reference puts before a line of a level, and its colour (SGR code). */
const PREFIXES: Readonly<Partial<Record<LineLevel, { readonly text: string; readonly colour: string }>>> = {
  warn: { text: "Warning: ", colour: "33;1" },
  error: { text: "ERROR: ", colour: "31;1" },
};

/**
 * A log line as the reference prints it (docs/compatibility.md#log-lines). A line feed is added unless the message ends
 * with one.
 */
export function textLine(level: LineLevel, message: string, isColoured: boolean): string {
  const prefix = PREFIXES[level];
  const line = message.endsWith("\n") ? message : `${message}\n`;
  if (prefix === undefined) return line;
  return isColoured ? `\u001b[${prefix.colour}m${prefix.text}\u001b[0m${line}` : `${prefix.text}${line}`;
}

/** The header that the creator prints before each phase (docs/compatibility.md#log-lines). */
export function phaseHeader(name: string, isColoured: boolean): string {
  const header = `===> ${name}`;
  return isColoured ? `\u001b[36m${header}\u001b[0m` : header;
}
