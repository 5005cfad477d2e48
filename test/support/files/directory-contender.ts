import { closeSync, openSync, unlinkSync } from "node:fs";
import { OwnedDirectory } from "../../../src/files/owned-directory.ts";

/*
 * node directory-contender.ts <directory> <marker> <times>: owns the directory so many times, each time for as long as
 * it takes to create and remove a file that must not be there. Fails if it is: then another process owns the directory
 * too.
 */
const [, , path = "", marker = "", times = ""] = process.argv;
for (let owned = 0; owned < Number(times); ) {
  const directory = OwnedDirectory.claim(path);
  if (directory === undefined) continue;
  closeSync(openSync(marker, "wx"));
  unlinkSync(marker);
  directory.release();
  owned += 1;
}
