/**
 * Characters that a terminal acts upon, or that show text in another order than it is written: control characters (C0, DEL,
 * C1) but tab and line feed, bidirectional formatting, line and paragraph separators.
 */
const ACTING = /[^\P{Cc}\t\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r" };

/**
 * A text for people, with whatever a terminal would act upon escaped as by Go's `%q`. Names of files, values of a build and
 * answers of registries get into log lines and errors, where an escape sequence could rewrite what was logged before.
 */
export function printable(text: string): string {
  return text.replace(ACTING, escapeCharacter);
}

/** The same on one line, so that no text from outside can pass for a line of the log. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", escapeCharacter);
}

/** A message of one line; line breaks around it, which set it off from others, stay. */
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
