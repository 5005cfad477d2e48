import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { ROOT } from "./script.ts";

const source = join(ROOT, "src", "observe", "timeline", "page");

/**
 * Builds the timeline page: one file with its style and script. The comment `<!-- timeline -->` marks where a timeline
 * goes.
 */
export async function buildTimelinePage(output: string): Promise<void> {
  const bundle = await rolldown({ input: join(source, "main.ts"), platform: "browser" });
  const { output: chunks } = await bundle.generate({ format: "iife", minify: true });
  await bundle.close();
  const read = (name: string) => readFileSync(join(source, name), "utf8");
  // A closing tag within the script would end the script.
  const script = chunks[0].code.replaceAll("</", "<\\/");
  const page = read("page.html")
    .replace("<!-- style -->", () => `<style>\n${read("page.css")}</style>`)
    .replace("<!-- script -->", () => `<script>\n${script}</script>`);
  const temporary = `${output}.${randomUUID()}`;
  writeFileSync(temporary, page);
  renameSync(temporary, output);
}
