import { z } from "zod";
import { exportEventSchema } from "../../src/observe/events.ts";

/** The text of docs/events.schema.json (draft 2020-12). */
export function eventSchemaText(): string {
  const schema = z.toJSONSchema(exportEventSchema, { io: "input", reused: "inline" });
  return `${JSON.stringify({ title: "A line of -events", ...schema }, undefined, 2)}\n`;
}
