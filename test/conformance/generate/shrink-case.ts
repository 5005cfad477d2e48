import type { ConformanceCase } from "../recorded-case.ts";

/** True if a case still shows the behavior in question. */
export type Shows = (given: ConformanceCase) => Promise<boolean>;

/**
 * Removes everything from a case that it does not need to show something: its first build, files, arguments, variables.
 * @param shows false also for a case that cannot be played, such as a file without its directory
 */
export async function shrinkCase(given: ConformanceCase, shows: Shows): Promise<ConformanceCase> {
  let smallest = given;
  const attempt = async (smaller: ConformanceCase): Promise<boolean> => {
    const isStill = await shows(smaller);
    if (isStill) smallest = smaller;
    return isStill;
  };
  if (given.previous !== undefined) await attempt({ ...given, previous: undefined });
  await shrinkList(
    () => smallest.files,
    (files) => attempt({ ...smallest, files }),
  );
  await shrinkList(
    () => smallest.args,
    (args) => attempt({ ...smallest, args }),
  );
  await shrinkList(
    () => Object.entries(smallest.env),
    (env) => attempt({ ...smallest, env: Object.fromEntries(env) }),
  );
  return smallest;
}

/**
 * Takes away halves, quarters and so on down to single items, from the end, so that a directory comes after what is in
 * it.
 */
async function shrinkList<Item>(
  current: () => readonly Item[],
  attempt: (rest: Item[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.ceil(current().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let end = current().length; end > 0; end -= size)
      await attempt(current().filter((_, i) => i < end - size || i >= end));
}
