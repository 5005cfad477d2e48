import { z } from "zod";

export const originSchema = z.object({
  /** ISO 8601, the day. */
  date: z.string(),
  /** The last commit that changed the engine. */
  commit: z.string(),
});

/** When and of what something was measured. */
export type Origin = z.infer<typeof originSchema>;
