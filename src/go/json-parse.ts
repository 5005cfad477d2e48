import { fromByteString } from "./byte-string.ts";

/** An object as written: repeated names are kept, in order, because Go's decoder decodes all of them in turn. */
export class JsonObject {
  readonly members: readonly (readonly [name: string, value: JsonValue])[];

  constructor(members: readonly (readonly [name: string, value: JsonValue])[]) {
    this.members = members;
  }
}

/** A number as written: for Go `1.0` is not an integer, and 64-bit integers do not fit a double. */
export class JsonNumber {
  readonly literal: string;

  constructor(literal: string) {
    this.literal = literal;
  }
}

export type JsonValue = string | boolean | null | JsonNumber | JsonObject | readonly JsonValue[];

/** Go's limit is 10,000; no image document is nested deeper than about ten. */
const MAX_DEPTH = 1000;

export type TrailingText = "refused" | "ignored";

/**
 * Parses a document as Go's encoding/json scans it (go1.26.8 src/encoding/json/scanner.go).
 * @throws SyntaxError without any text of the document, which may hold secrets
 */
export function parseJson(document: Uint8Array | string, trailing: TrailingText): JsonValue {
  const parser = parserOf(document);
  const value = parser.value(0);
  if (trailing === "refused") parser.end();
  return value;
}

/** Values one after the other, with any space or none between them. @throws SyntaxError like {@link parseJson} */
export function* parseJsonStream(document: Uint8Array | string): Generator<JsonValue> {
  const parser = parserOf(document);
  while (!parser.isAtEnd()) yield parser.value(0);
}

function parserOf(document: Uint8Array | string): Parser {
  return new Parser(
    typeof document === "string" ? document : fromByteString(Buffer.from(document).toString("latin1")).toWellFormed(),
  );
}

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERALS = [
  ["null", null],
  ["true", true],
  ["false", false],
] as const;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw new SyntaxError("JSON is nested too deeply");
    this.#skipSpace();
    if (this.#take("{")) return this.#object(depth + 1);
    if (this.#take("[")) return this.#array(depth + 1);
    if (this.#text[this.#at] === '"') return this.#string();
    for (const [word, value] of LITERALS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    NUMBER.lastIndex = this.#at;
    const literal = NUMBER.exec(this.#text)?.[0];
    if (literal === undefined) throw this.#error();
    this.#at += literal.length;
    return new JsonNumber(literal);
  }

  isAtEnd(): boolean {
    this.#skipSpace();
    return this.#at === this.#text.length;
  }

  end(): void {
    if (!this.isAtEnd()) throw this.#error();
  }

  #object(depth: number): JsonObject {
    const members: [string, JsonValue][] = [];
    if (this.#takeAfterSpace("}")) return new JsonObject(members);
    do {
      this.#skipSpace();
      const name = this.#string();
      this.#expect(":");
      members.push([name, this.value(depth)]);
    } while (this.#takeAfterSpace(","));
    this.#expect("}");
    return new JsonObject(members);
  }

  #array(depth: number): JsonValue[] {
    const values: JsonValue[] = [];
    if (this.#takeAfterSpace("]")) return values;
    do values.push(this.value(depth));
    while (this.#takeAfterSpace(","));
    this.#expect("]");
    return values;
  }

  /** Go decodes a lone surrogate escape into U+FFFD. */
  #string(): string {
    const start = this.#at;
    if (!this.#take('"')) throw this.#error();
    do {
      this.#at = this.#text.indexOf('"', this.#at) + 1;
      if (this.#at === 0) throw new SyntaxError("unexpected end of JSON input");
    } while (this.#isEscaped(this.#at - 1));
    try {
      const text: unknown = JSON.parse(this.#text.slice(start, this.#at));
      return String(text).toWellFormed();
    } catch {
      throw new SyntaxError(`invalid character in JSON string at offset ${start}`);
    }
  }

  #isEscaped(quote: number): boolean {
    let at = quote;
    while (this.#text[at - 1] === "\\") at -= 1;
    return (quote - at) % 2 === 1;
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    SPACE.test(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #takeAfterSpace(character: string): boolean {
    this.#skipSpace();
    return this.#take(character);
  }

  #expect(character: string): void {
    if (!this.#takeAfterSpace(character)) throw this.#error();
  }

  #error(): SyntaxError {
    if (this.#at >= this.#text.length) return new SyntaxError("unexpected end of JSON input");
    return new SyntaxError(`invalid character in JSON at offset ${this.#at}`);
  }
}
