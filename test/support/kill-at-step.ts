import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { writeCache } from "./cache-writer.ts";

/*
 * node kill-at-step.ts <step> <directory> <contents as JSON>: writes a cache and kills itself before the change to the
 * file system with that number, counted from 1, so that a test can look at what every moment leaves behind.
 */
const [, , step = "", directory = "", contents = ""] = process.argv;
let steps = 0;

function count(): void {
  steps += 1;
  if (steps === Number(step)) process.kill(process.pid, "SIGKILL");
}

const { mkdir, open, rename, rm } = promises;
promises.mkdir = ((...args: Parameters<typeof mkdir>) => {
  count();
  return mkdir(...args);
}) as typeof mkdir;
promises.open = (...args) => {
  count();
  return open(...args);
};
promises.rename = (...args) => {
  count();
  return rename(...args);
};
promises.rm = (...args) => {
  count();
  return rm(...args);
};
syncBuiltinESMExports();

await writeCache(directory, JSON.parse(contents));
