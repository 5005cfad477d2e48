import { APP, CACHE, type Contender, type Course } from "./contender.ts";
import { measure } from "./measure.ts";
import { quote, readyWatch, sayReady } from "./peer-script.ts";

/**
 * `tar` of each directory, then `crane append` of the tars to an empty image, for both images at once. crane is built on the
 * library that the reference is built on: it compresses with Go's gzip at BestSpeed, once for the digest and once to upload.
 */
export function crane(program: string): Contender {
  return {
    name: "tar, crane append, both images at once",
    kind: "peer",
    run: async ({ build, registries, tempDir }: Course) => {
      const { app, cache } = build.images;
      const all = [...new Set([...app, ...cache])];
      const tarOf = (directory: string): string => `${tempDir}/${all.indexOf(directory)}.tar`;
      const tars = all.map(
        (directory) => `tar -C ${quote(build.output.root)} -cf ${tarOf(directory)} ${quote(directory)} &`,
      );
      const append = (directories: readonly string[], image: string): string =>
        `${program} append --oci-empty-base -t ${image} ${directories.map((one) => `-f ${tarOf(one)}`).join(" ")}`;
      const [appHost, cacheHost] = registries.linked;
      const lines = [
        "set -e",
        ...tars,
        "wait",
        `(${append(app, `${appHost}/${APP}:latest`)} && ${sayReady("app")}) & one=$!`,
        ...(cache.length === 0 ? [] : [`${append(cache, `${cacheHost}/${CACHE}:latest`)} && ${sayReady("cache")}`]),
        "wait $one",
      ];
      const ready = readyWatch();
      const usage = await measure({ command: "/bin/sh", args: ["-c", lines.join("\n")], onLine: ready.onLine });
      return { ...usage, ...ready.times() };
    },
  };
}
