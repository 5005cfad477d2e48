import type { REFERENCE_FLAGS } from "./flag-table.ts";
import type { FlagValue } from "./go-flags.ts";
import type { tuningFlags } from "./tuning-flags.ts";

type Row = (typeof REFERENCE_FLAGS)[number] | ReturnType<typeof tuningFlags>[number];
type NameOf<Type extends Row["type"]> = Extract<Row, { readonly type: Type }>["name"];

/** The values of all flags after the command line was parsed, those that do not exist at this Platform API included. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, FlagValue>;

  constructor(values: ReadonlyMap<string, FlagValue>) {
    this.#values = values;
  }

  string(name: NameOf<"string">): string {
    const value = this.#values.get(name);
    if (typeof value !== "string") throw new TypeError(`-${name} is not defined as a string`);
    return value;
  }

  bool(name: NameOf<"bool">): boolean {
    const value = this.#values.get(name);
    if (typeof value !== "boolean") throw new TypeError(`-${name} is not defined as a bool`);
    return value;
  }

  int(name: NameOf<"int">): number {
    const value = this.#values.get(name);
    if (typeof value !== "number") throw new TypeError(`-${name} is not defined as an int`);
    return value;
  }

  list(name: NameOf<"list">): readonly string[] {
    const value = this.#values.get(name);
    if (typeof value !== "object") throw new TypeError(`-${name} is not defined as a list`);
    return value;
  }
}
