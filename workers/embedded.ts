import { createRequire, registerHooks } from "node:module";
import { getAsset } from "node:sea";

/*
 * How a thread of the one executable file starts: there is no file to load its code from, so that names below `/tandem/` are those of the
 * executable's assets. Piscina's thread code then loads its task's entry as it does from a disk.
 */

const ROOT = "file:///tandem/";

registerHooks({
  resolve(specifier, context, next) {
    const url = /^[./]/.test(specifier) ? new URL(specifier, context.parentURL ?? ROOT).href : specifier;
    return url.startsWith(ROOT) ? { url, format: "commonjs", shortCircuit: true } : next(specifier, context);
  },
  load(url, context, next) {
    if (!url.startsWith(ROOT)) return next(url, context);
    return { format: "commonjs", source: getAsset(url.slice(ROOT.length), "utf8"), shortCircuit: true };
  },
});
createRequire(ROOT)("./worker.js");
