import { z } from "zod";

/**
 * An object schema that finds members as Go's encoding/json does: by their name, or failing that by the name without
 * regard to case; members it does not know are dropped, and null is an object without members.
 */
export function foldKeys<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const fold = (value: unknown): unknown => {
    if (value === null) return {};
    if (typeof value !== "object" || Array.isArray(value)) return value;
    // Members come in the order of the document, and the last of several that match one name wins.
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, member]) => {
        const name = names.get(key.toLowerCase());
        return name === undefined ? [] : [[name, member]];
      }),
    );
  };
  return z.preprocess(fold, z.object(shape));
}
