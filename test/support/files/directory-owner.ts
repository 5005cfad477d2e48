import { OwnedDirectory } from "../../../src/files/owned-directory.ts";

/*
 * node directory-owner.ts <directory>: claims the directory, says what came of it, and keeps it until its standard
 * input ends, when it releases it, or until it is killed.
 */
const [, , path = ""] = process.argv;
const owned = OwnedDirectory.claim(path);
console.log(owned === undefined ? "taken" : owned.isExclusive ? "owned" : "unlocked");
process.stdin.once("end", () => owned?.release()).resume();
