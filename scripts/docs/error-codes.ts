import { CODES, type FaultCode, STAGES, stageOf } from "../../src/errors/codes.ts";

/*
 * The tables of error codes in docs/troubleshooting.md, generated from src/errors/codes.ts.
 */

const BEGIN = "<!-- Made by `npm run docs` from src/errors/codes.ts; do not edit. -->\n";
const END = "<!-- The end of what is made. -->\n";

/** Updates the tables of a document. @throws Error if it has no place for them */
export function withErrorCodes(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error("docs/troubleshooting.md has no place for the error codes");
  return document.slice(0, begin + BEGIN.length) + errorCodes() + document.slice(end);
}

function errorCodes(): string {
  const codes = Object.keys(CODES) as FaultCode[];
  const sections = Object.entries(STAGES).map(([stage, title]) => {
    const rows = codes.filter((code) => stageOf(code) === stage).map(row);
    return `\n### ${title}\n\n| code | exit | meaning | what to do |\n|---|---|---|---|\n${rows.join("")}`;
  });
  return `${sections.join("")}\n`;
}

function row(code: FaultCode): string {
  const { exitCode, meaning, hint = "" } = CODES[code];
  return `| \`${code}\` | ${exitCode ?? ""} | ${escaped(meaning)} | ${escaped(hint)} |\n`;
}

/** Formats what readers type as code, and escapes Markdown elsewhere. */
function escaped(text: string): string {
  return text
    .replaceAll(TYPED, "`$&`")
    .replaceAll(/`[^`]*`|[|<>\\*]/g, (part) => (part.length > 1 ? part : `\\${part}`));
}

const TYPED = /(?<![\w-])-[a-z]+(?:-[a-z]+)*|\b[A-Z]+(?:_[A-Z]+)+\b|\b\w+\.(?:toml|json|pem)\b/g;
