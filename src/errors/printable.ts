const ACTING = /[^\P{Cc}\t\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r" };

/**
 * Escapes what a terminal interprets or reorders, like Go's `%q`: control characters (C0, DEL, C1) except tab and line
 * feed, bidirectional formatting, line and paragraph separators. Log lines and errors contain file names, values of a
 * build and responses of registries, where an escape sequence could rewrite earlier output. What is not UTF-8 becomes
 * U+FFFD.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(ACTING, escapeCharacter);
}

/** Also escapes line feeds, so that no external text can imitate a log line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", escapeCharacter);
}

/** Tag of a hint's template. Escapes the values, so that no external text can imitate a log line. */
export function hintLine(template: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw({ raw: template }, ...values.map(printableLine));
}

export function printableMessage(message: string): string {
  const [, before = "", line = "", after = ""] = /^(\n*)(.*?)(\n*)$/s.exec(message) ?? [];
  return `${before}${printableLine(line)}${after}`;
}

function escapeCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.charCodeAt(0).toString(16);
  return code.length > 2 || code >= "80" ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}
