import { table, text, texts } from "./toml-schema.ts";

/** The table {image, mirrors} of run.toml, stack.toml and analyzed.toml (contract 2.5). */
export const runImageNames = table({ image: text, mirrors: texts });
