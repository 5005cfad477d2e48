import { table, text, texts } from "./toml-schema.ts";

/** The table {image, mirrors} of run.toml, stack.toml and analyzed.toml (docs/compatibility.md#run-image-names). */
export const runImageNames = table({ image: text, mirrors: texts });
