import { embeddedModules } from "../src/cli/asset-modules.ts";

/* How a thread of the single executable starts. Piscina's thread code then loads its task's entry as it does from a disk. */

embeddedModules().require("./worker.js");
