/** A challenge of HTTP authentication (RFC 9110 section 11.6.1). */
export interface Challenge {
  /** Case-insensitive. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** A token that is not the name of a parameter. */
const SCHEME = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?![!#$%&'*+\-.^_`|~0-9A-Za-z]|[ \t]*=)/y;
const SEPARATORS = /[\s,]*/y;
const PARAMETER = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const TOKEN68 = /[ \t]+[0-9A-Za-z\-._~+/]+=*[ \t]*(?=,|$)/y;

/**
 * Parses challenges in order, of one header or several. Parsing of a header ends at its first syntax error.
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const values = header === undefined ? [] : typeof header === "string" ? [header] : header;
  return values.flatMap(parseHeader);
}

function parseHeader(text: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const next = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    next(SEPARATORS);
    const scheme = next(SCHEME)?.[0];
    if (scheme === undefined) return challenges;
    const parameters: Record<string, string> = {};
    if (next(TOKEN68) === null) {
      for (;;) {
        next(SEPARATORS);
        const [, name, quoted, plain] = next(PARAMETER) ?? [];
        if (name === undefined) break;
        parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
      }
    }
    challenges.push({ scheme, parameters });
  }
}
