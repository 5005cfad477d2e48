import type { RunImageInput } from "../recorded-case.ts";
import type { Draw } from "./draw.ts";

type Json = Readonly<Record<string, unknown>>;

/** A run image with any of the members that a config and a manifest may have. A layout holds no index of platforms. */
export function drawRunImage(draw: Draw, isLayout: boolean): RunImageInput {
  const count = draw.between(1, 3);
  const layers = draw.times(count, (i) => [{ path: `etc/file-${i}`, uid: 0, gid: 0, content: `${i}\n` }]);
  const isOci = draw.chance(0.4);
  return {
    mediaTypes: isOci ? "oci" : "docker",
    layers,
    config: drawConfig(draw, count),
    index: draw.chance(0.15) && !isLayout,
    omitManifestMediaType: isOci && draw.chance(0.1),
    ...draw.maybe(0.1, () => ({ manifestAnnotations: { "b.é": "<&>", a: "1" } }))[0],
  };
}

function drawConfig(draw: Draw, layers: number): Json {
  return members(draw, {
    architecture: [1, () => "amd64"],
    os: [0.97, () => "linux"],
    created: [
      0.8,
      () => draw.pick(["2024-03-05T06:07:08.123456789Z", "0001-01-01T00:00:00Z", "2024-03-05T06:07:08+02:00"]),
    ],
    author: [0.2, () => "some one <a@b>"],
    docker_version: [0.3, () => "20.10.7"],
    "os.version": [0.1, () => "10"],
    variant: [0.2, () => "v8"],
    "os.features": [0.1, () => ["f"]],
    container: [0.1, () => "abc"],
    container_config: [0.1, () => ({ Cmd: ["x"] })],
    config: [0.95, () => drawContainerConfig(draw)],
    history: [0.7, () => drawHistory(draw, layers)],
    "moby.buildkit.cache": [0.05, () => "x"],
  });
}

function drawContainerConfig(draw: Draw): Json {
  return members(draw, {
    User: [0.5, () => "1000:1000"],
    Env: [0.9, () => drawEnv(draw)],
    Cmd: [0.5, () => ["/bin/sh"]],
    Entrypoint: [0.2, () => ["/entry", "<x>"]],
    WorkingDir: [0.3, () => "/srv"],
    Labels: [0.7, () => drawLabels(draw)],
    ExposedPorts: [0.2, () => ({ "8080/tcp": {}, "53/udp": {} })],
    Volumes: [0.2, () => ({ "/data": {} })],
    Healthcheck: [0.2, () => ({ Test: ["CMD", "true"], Interval: 30_000_000_000, StartInterval: 5, Retries: 3 })],
    StopSignal: [0.2, () => "SIGTERM"],
    Shell: [0.1, () => ["/bin/bash", "-c"]],
    OnBuild: [0.1, () => ["RUN x"]],
    Hostname: [0.1, () => "h"],
    Domainname: [0.1, () => "d"],
    Image: [0.1, () => "sha256:x"],
    Tty: [0.1, () => true],
    OpenStdin: [0.1, () => false],
    ArgsEscaped: [0.1, () => true],
    NetworkDisabled: [0.1, () => true],
    MacAddress: [0.1, () => "02:42"],
  });
}

function drawEnv(draw: Draw): string[] {
  const path = draw.pick(["PATH=/usr/local/bin:/usr/bin:/bin", "PATH=", "PATH=/a b:/é", "Path=/other", "X=1"]);
  return [
    ...draw.some(["LANG=C", "EMPTY=", "NOEQUALS", "CNB_APP_DIR=/old", "E=a=b", "é=<&>"], 0.3),
    path,
    ...draw.some(["CNB_LAYERS_DIR=/old", "Z=1", "CNB_PLATFORM_API=0.1"], 0.3),
  ];
}

function drawLabels(draw: Draw): Json {
  return members(draw, {
    "io.buildpacks.stack.id": [0.5, () => "io.stack"],
    maintainer: [0.5, () => "é <m>"],
    "io.buildpacks.lifecycle.metadata": [0.1, () => "{}"],
    "io.buildpacks.rebasable": [0.2, () => "true"],
    "io.buildpacks.exec-env": [0.1, () => "old"],
  });
}

function drawHistory(draw: Draw, layers: number): Json[] {
  const count = draw.weighted([[6, layers] as const, [1, layers + 1] as const, [1, layers - 1] as const]);
  const entries = draw.times(count, (i) =>
    members(draw, {
      created: [0.8, () => "2024-03-05T06:07:08Z"],
      created_by: [0.8, () => `RUN step ${i} && <x>`],
      comment: [0.2, () => "c"],
      author: [0.2, () => "a"],
    }),
  );
  const empty = draw.maybe(0.5, () => ({ created_by: "ENV x", empty_layer: true }));
  return draw.chance(0.5) ? [...entries, ...empty] : [...empty, ...entries];
}

/** An object with each of its members as often as its share says, in this order. */
function members(draw: Draw, wanted: Readonly<Record<string, readonly [number, () => unknown]>>): Json {
  const entries = Object.entries(wanted).filter(([, [share]]) => draw.chance(share));
  return Object.fromEntries(entries.map(([name, [, make]]) => [name, make()]));
}
