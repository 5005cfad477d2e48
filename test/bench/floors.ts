import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { APP, type Contender, type Course } from "./contender.ts";
import { findProgram } from "./find-program.ts";
import { measure } from "./measure.ts";

/** A pipeline over every file of the build, once: the work that no exporter can leave out, and nothing else. */
function pipeline(name: string, command: string): Contender {
  return {
    name,
    kind: "floor",
    run: async ({ build }) =>
      await measure({ command: "/bin/sh", args: ["-c", `${command} > /dev/null`, "sh", build.output.root] }),
  };
}

/** Sends the app image, made and compressed beforehand, through the same link: the upload and nothing else. */
const skopeo: Contender = {
  name: "skopeo copy of the finished app image",
  kind: "floor",
  needsImage: true,
  run: async ({ registries, tempDir }: Course) => {
    const layout = `oci:${join(tempDir, "layout")}:app`;
    const copy = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
    const made = spawnSync("skopeo", [...copy, `docker://${registries.direct[0]}/${APP}:latest`, layout]);
    if (made.status !== 0) throw new Error(`skopeo: ${made.stderr}`);
    // The second registry is empty.
    return await measure({
      command: "skopeo",
      args: [...copy, layout, `docker://${registries.linked[1]}/${APP}:latest`],
    });
  },
};

/** The floors that this machine has the programs for. */
export function floors(isLoopback: boolean): readonly Contender[] {
  const tar = 'tar -C "$1" -cf - layers workspace';
  const cores = availableParallelism();
  const pipelines = [
    { program: "gzip", name: "tar | gzip -1 | sha256sum", command: `${tar} | gzip -1 | sha256sum` },
    { program: "pigz", name: `tar | pigz -1 -p ${cores}`, command: `${tar} | pigz -1 -p ${cores}` },
  ];
  return [
    ...(isLoopback ? pipelines : [])
      .filter(({ program }) => findProgram(program) !== undefined)
      .map(({ name, command }) => pipeline(name, command)),
    ...(findProgram("skopeo") !== undefined ? [skopeo] : []),
  ];
}
