import { openSecretScope } from "../../../src/errors/secrets.ts";
import { seededRandom } from "../random.ts";
import { commandLines, flags } from "./flags.ts";
import { globs, quotes } from "./globs.ts";
import { challenges, locations, waits } from "./headers.ts";
import { json } from "./json.ts";
import { references } from "./references.ts";
import type { FuzzTarget } from "./target.ts";
import { tars } from "./tars.ts";
import { toml, tomlDocuments } from "./toml.ts";

export function parserTargets(directory: string): readonly FuzzTarget[] {
  const targets = [references, challenges, waits, locations, globs, quotes, flags, commandLines, toml, json, tars];
  return [...targets, tomlDocuments(directory)] as readonly FuzzTarget[];
}

/** @throws an error with the seed if a property is violated */
export async function runCase(target: FuzzTarget, seed: number): Promise<void> {
  const before = prototypeNames();
  // A generated document may have any text as a password.
  using _secrets = openSecretScope();
  try {
    await target.check(target.generate(seededRandom(seed)));
  } catch (error) {
    throw new Error(`${target.name}, seed ${seed}: ${error}`, { cause: error });
  }
  if (prototypeNames() !== before) throw new Error(`${target.name}, seed ${seed}: a prototype was changed`);
}

function prototypeNames(): string {
  return [Object.prototype, Array.prototype, Function.prototype].map((of) => Reflect.ownKeys(of).length).join();
}
