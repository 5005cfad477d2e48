import { chmodSync, cpSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { tempTree } from "../../support/files/temp-tree.ts";
import { EXPORTER } from "../../support/process/exporter.ts";
import { testAsProcessOne } from "../../support/process/process-one.ts";

const bin = dirname(EXPORTER);

testAsProcessOne({
  program: () => EXPORTER,
  copy: (starting) => {
    const directory = tempTree({ "node_modules/.bin/node": starting(process.execPath) });
    chmodSync(join(directory, "node_modules", ".bin", "node"), 0o755);
    cpSync(bin, join(directory, "bin"), { recursive: true, verbatimSymlinks: true });
    symlinkSync(join(bin, "..", "dist"), join(directory, "dist"));
    return join(directory, "bin", "exporter");
  },
});
