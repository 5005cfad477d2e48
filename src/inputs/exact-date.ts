import { TomlDate } from "smol-toml";

/** A TOML date or time with all the digits it was written with; a TomlDate by itself keeps milliseconds only. */
export class ExactDate extends TomlDate {
  readonly #text: string;

  /** @param text in one of TOML's four forms */
  constructor(text: string) {
    super(text);
    this.#text = text;
  }

  override toISOString(): string {
    return this.#text;
  }
}
