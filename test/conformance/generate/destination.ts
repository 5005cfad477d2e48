import type { FileInput } from "../recorded-case.ts";
import type { Draw } from "./draw.ts";

type DestinationKind = "registry" | "layout";

/** Destination of a case's images. */
export interface Destination {
  readonly kind: DestinationKind;
  readonly cache: "none" | "image" | "directory";
  readonly hasCache: boolean;
  readonly flags: readonly string[];
  readonly positionals: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly FileInput[];
}

const ROOT = "/tmp/tandem-case";

export function drawDestination(draw: Draw, platformApi: string): Destination {
  const kind = draw.weighted([
    [4, "registry"],
    [1, "layout"],
  ] as const);
  const cache = draw.weighted([
    [3, "none"],
    [5, "image"],
    [5, "directory"],
  ] as const);
  const app = kind === "registry" ? registryApp(draw) : layoutApp(draw, platformApi);
  const flags = {
    none: [],
    image: ["-cache-image", draw.chance(0.15) && kind === "registry" ? "{registry2}/cache" : "{registry}/cache:tag"],
    directory: ["-cache-dir", `${ROOT}/cache`],
  }[cache];
  const files = [...app.files, ...(cache === "directory" ? [drawCacheDirectory(draw)] : [])];
  return { ...app, kind, cache, hasCache: cache !== "none", flags: [...app.flags, ...flags], files };
}

type App = Omit<Destination, "kind" | "cache" | "hasCache">;

function registryApp(draw: Draw): App {
  const tags = draw.some(["{registry}/app:v2", "{registry}/other", "{registry}/app", "{registry}/app:latest"], 0.1);
  return { flags: [], positionals: [draw.pick(["{registry}/app", "{registry}/app:v1"]), ...tags], env: {}, files: [] };
}

/** The flags exist from API 0.12 on, the variables at every API. */
function layoutApp(draw: Draw, platformApi: string): App {
  const isOld = Number(platformApi.replace(/.*\./, "")) < 12;
  const directory = `${ROOT}/layouts`;
  const variables = isOld || draw.chance(0.2);
  const mode = draw.weighted([
    [4, "warn"],
    [4, "quiet"],
    [1, "other"],
  ] as const);
  return {
    flags: variables ? [] : ["-layout", "-layout-dir", directory],
    positionals: [draw.pick(["app", "docker.io/some/app:v1", "example.com/a/b", "example.com:5000/app"])],
    env: {
      CNB_EXPERIMENTAL_MODE: mode,
      ...(variables ? { CNB_USE_LAYOUT: draw.pick(["true", "1"]), CNB_LAYOUT_DIR: directory } : {}),
    },
    files: [{ path: "layouts", type: "dir", mode: "0777" }],
  };
}

function drawCacheDirectory(draw: Draw): FileInput {
  return { path: "cache", type: "dir", ...draw.pick([{}, {}, { uid: 0, gid: 0 }, { mode: "0777", uid: 0, gid: 0 }]) };
}
