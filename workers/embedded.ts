import { embeddedModules } from "../src/executable/modules.ts";

/* Starts a thread of the single executable. Piscina's thread code then loads its pool's entry as if from a disk. */

embeddedModules().require("./worker.js");
