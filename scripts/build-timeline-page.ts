import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

const source = join(dirname(import.meta.dirname), "src", "observe", "timeline", "page");

/**
 * Makes the page that shows a timeline: one file with its style and its script. Where the timeline belongs it keeps the comment
 * `<!-- timeline -->`.
 */
export async function buildTimelinePage(output: string): Promise<void> {
  const bundle = await rolldown({ input: join(source, "main.ts"), platform: "browser" });
  const { output: chunks } = await bundle.generate({ format: "iife", minify: true });
  await bundle.close();
  const read = (name: string) => readFileSync(join(source, name), "utf8");
  // A closing tag in the script would end it.
  const script = chunks[0].code.replaceAll("</", "<\\/");
  const page = read("page.html")
    .replace("<!-- style -->", () => `<style>\n${read("page.css")}</style>`)
    .replace("<!-- script -->", () => `<script>\n${script}</script>`);
  const temporary = `${output}.${randomUUID()}`;
  writeFileSync(temporary, page);
  renameSync(temporary, output);
}
