import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { exportEventSchema } from "../src/observe/events.ts";

/** The text of docs/events.schema.json (draft 2020-12). */
export function eventSchemaText(): string {
  const schema = z.toJSONSchema(exportEventSchema, { io: "input", reused: "inline" });
  return `${JSON.stringify({ title: "A line of -events", ...schema }, undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "..", "docs", "events.schema.json"), eventSchemaText());
