import { embeddedModules } from "../src/executable/modules.ts";

/* Starts a thread of the single executable. Piscina's thread code then loads the entry of its pool as from a disk. */

embeddedModules().require("./worker.js");
