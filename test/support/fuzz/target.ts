import { Fault } from "../../../src/errors/fault.ts";
import type { SeededRandom } from "../random.ts";

/** A parser of external input, as the fuzzer sees it. A case is defined by its seed alone. */
export interface FuzzTarget<Input = unknown> {
  readonly name: string;
  generate(random: SeededRandom): Input;
  /**
   * @returns what the parser returned, for callers that know the right result
   * @throws if a property that must hold for every input is violated
   */
  check(input: Input): unknown;
}

/** The parser's value, or the message of the only kind of error that it may throw. */
export type Outcome<T> = { readonly value: T } | { readonly error: string };

/** @param isExpected matches the errors that callers handle; any other error is a finding */
export function outcomeOf<T>(parse: () => T, isExpected = isFault): Outcome<T> {
  try {
    return { value: parse() };
  } catch (error) {
    if (error instanceof Error && isExpected(error)) return { error: withinReason(error.message) };
    throw error;
  }
}

export async function laterOutcomeOf<T>(parse: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await parse() };
  } catch (error) {
    if (error instanceof Fault) return { error: withinReason(error.message) };
    throw error;
  }
}

function isFault(error: Error): boolean {
  return error instanceof Fault;
}

const MAX_MESSAGE = 100_000;

function withinReason(message: string): string {
  if (message.length > MAX_MESSAGE) throw new Error(`a message of ${message.length} characters`);
  if (message === "") throw new Error("an error without a message");
  return message;
}

export function violated(property: string, ...seen: readonly unknown[]): never {
  throw new Error([property, ...seen.map((value) => JSON.stringify(value)?.slice(0, 2000))].join(": "));
}
