import { builtModules } from "./modules.ts";

/* Entry of the command in the directory where it was built, as bin/exporter starts it. */

builtModules(import.meta.dirname).require("./cli.cjs");
