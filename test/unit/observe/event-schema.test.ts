import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventSchemaText } from "../../../scripts/docs/event-schema.ts";
import { ROOT } from "../../../scripts/script.ts";
import { exportEventSchema } from "../../../src/observe/events.ts";

const docs = join(ROOT, "docs");
const read = (name: string) => readFileSync(join(docs, name), "utf8");

const examples = [...read("events.md").matchAll(/```json\n(.*?)\n```/gs)].map(([, text = ""]) => text);

test("docs/events.schema.json is the schema (npm run docs writes it)", () => {
  expect(read("events.schema.json")).toBe(eventSchemaText());
});

test("docs/events.md has an example of each kind", () => {
  const kinds = exportEventSchema.options.map(({ shape }) => shape.event.value);
  expect(examples.map((text) => JSON.parse(text).event).sort()).toEqual([...kinds].sort());
});

test.each(examples)("the example is an event: %s", (text) => {
  // Unknown members fail, too: an example with a nonexistent member would mislead.
  expect(exportEventSchema.parse(JSON.parse(text))).toEqual(JSON.parse(text));
});
