import type { RegistryKind } from "./network/registries.ts";
import type { Mode } from "./run/contender.ts";
import type { PoolName } from "./run/make-build.ts";

/** An amount of one kind of file. Sizes in bytes. */
export interface Amount {
  readonly pool: PoolName;
  /** Sizes of the files, their sizes after gzip -1 (what a registry reports), or their number. */
  readonly unit: "bytes" | "compressedBytes" | "files";
  readonly amount: number;
}

/** One sparse file of zeros. */
export interface Zeros {
  readonly pool: "zeros";
  readonly unit: "bytes";
  readonly amount: number;
}

export type Contents = Amount | Zeros;

/** A layer of a scenario's build. */
export interface BenchLayer {
  readonly name: string;
  readonly contents: Contents;
  readonly launch: boolean;
  readonly cache: boolean;
}

/** The build that is exported before the measured one. */
export type Before = "nothing" | "same" | "one-layer-differs";

/** A build to export, and the links to measure it on, as `parseLink` takes them. */
export interface Scenario {
  readonly name: string;
  /** For the front page, a few words. */
  readonly title: string;
  /** For the report, a sentence without its period. */
  readonly about: string;
  readonly layers: readonly BenchLayer[];
  readonly app: Amount;
  readonly before: Before;
  /** Default: plain. */
  readonly registries?: RegistryKind;
  /** Measured by default. */
  readonly links: readonly string[];
  /** Also measured with `--all`. */
  readonly moreLinks: readonly string[];
  readonly modes: readonly Mode[];
}

const MB = 1e6;
const BOTH: readonly Mode[] = ["series", "parallel"];

export const compressed = (pool: PoolName, megabytes: number): Amount => ({
  pool,
  unit: "compressedBytes",
  amount: megabytes * MB,
});
export const plain = (pool: PoolName, megabytes: number): Amount => ({ pool, unit: "bytes", amount: megabytes * MB });

export const launchOnly = (name: string, contents: Contents): BenchLayer => ({
  name,
  contents,
  launch: true,
  cache: false,
});
const cacheOnly = (name: string, contents: Amount): BenchLayer => ({ name, contents, launch: false, cache: true });
export const shared = (name: string, contents: Contents): BenchLayer => ({ name, contents, launch: true, cache: true });

/** RFC 0125's Java build, layer by layer, with the compressed sizes of its table. */
const java = {
  layers: [
    shared("jre", compressed("toolchains", 107.6)),
    launchOnly("dependencies", compressed("archives", 49.9)),
    launchOnly("agent", compressed("libraries", 28.5)),
    launchOnly("helper", compressed("text", 1.1)),
    cacheOnly("maven", compressed("archives", 40.5)),
    cacheOnly("jdk-extra", compressed("toolchains", 9.4)),
  ],
  app: compressed("archives", 15.2),
};

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "java",
    title: "Java app, first build",
    about:
      "RFC 0125's Java build: app image 202 MB, cache image 158 MB, one layer of 108 MB in both (sizes compressed)",
    ...java,
    before: "nothing",
    links: ["free", "22"],
    moreLinks: ["22-shared", "5", "5-shared"],
    modes: BOTH,
  },
  {
    name: "go",
    title: "Go app, first build",
    about: "RFC 0125's Go build: app image 114 MB, cache image 176 MB, nothing in both (sizes compressed)",
    layers: [
      launchOnly("targets", compressed("binaries", 77.5)),
      launchOnly("tools", compressed("libraries", 27.8)),
      cacheOnly("go", compressed("toolchains", 70.9)),
      cacheOnly("gocache", compressed("libraries", 104.9)),
    ],
    app: compressed("text", 9),
    before: "nothing",
    links: ["free"],
    moreLinks: ["22", "22-shared", "5", "5-shared"],
    modes: BOTH,
  },
  {
    name: "shared",
    title: "Every layer in both images",
    about: "every layer in both images: 300 MB of shared libraries, text and archives in three layers",
    layers: [
      shared("libraries", plain("libraries", 150)),
      shared("modules", plain("text", 80)),
      shared("archives", plain("archives", 50)),
    ],
    app: plain("text", 20),
    before: "nothing",
    links: ["free"],
    moreLinks: ["22", "22-shared"],
    modes: BOTH,
  },
  ...[1, 4].map(
    (gigabytes): Scenario => ({
      name: `large-${gigabytes}g`,
      title: `One layer of ${gigabytes} GB`,
      about: `one layer of ${gigabytes} GB of shared libraries in both images`,
      layers: [shared("libraries", plain("libraries", gigabytes * 1000))],
      app: plain("text", 1),
      before: "nothing",
      links: gigabytes === 1 ? ["free"] : [],
      moreLinks: gigabytes === 1 ? ["22"] : ["free"],
      modes: ["parallel"],
    }),
  ),
  {
    name: "files",
    title: "60,000 small files",
    about: "60,000 files of at most 16 KiB in one launch layer",
    layers: [launchOnly("modules", { pool: "small", unit: "files", amount: 60_000 })],
    app: plain("text", 1),
    before: "nothing",
    links: ["free"],
    moreLinks: [],
    modes: ["series"],
  },
  {
    name: "incompressible",
    title: "Compressed archives, 250 MB",
    about: "250 MB of compressed archives and images, in both images",
    layers: [shared("wheels", plain("archives", 250))],
    app: plain("text", 1),
    before: "nothing",
    links: ["free"],
    moreLinks: ["22"],
    modes: ["parallel"],
  },
  {
    name: "tiny",
    title: "A few kB",
    about: "a few kB in all: the fixed cost of starting and of talking to registries",
    layers: [launchOnly("config", plain("text", 0.004))],
    app: plain("text", 0.004),
    before: "nothing",
    links: ["free"],
    moreLinks: ["22"],
    modes: BOTH,
  },
  {
    name: "rebuild",
    title: "Java app, nothing changed",
    about: "the Java build again, unchanged: app and cache image of the build before are in the registries",
    ...java,
    before: "same",
    links: ["free"],
    moreLinks: ["22"],
    modes: BOTH,
  },
  {
    name: "change",
    title: "Java app, one file changed",
    about: "the Java build again, with one file of its largest layer changed",
    ...java,
    before: "one-layer-differs",
    links: ["free"],
    moreLinks: ["22"],
    modes: ["parallel"],
  },
  {
    name: "java-tls",
    title: "Java app, first build, TLS",
    about: "the Java build, with both registries behind TLS (a P-256 certificate that SSL_CERT_FILE names)",
    ...java,
    before: "nothing",
    registries: "tls",
    links: ["free"],
    moreLinks: ["22"],
    modes: ["parallel"],
  },
  {
    name: "java-sink",
    title: "Java app, first build, unlimited registry",
    about: "the Java build into registries that neither hash nor store, so that the exporter is the only limit",
    ...java,
    before: "nothing",
    registries: "sink",
    links: ["free"],
    moreLinks: [],
    modes: ["parallel"],
  },
  {
    name: "large-1g-sink",
    title: "One layer of 1 GB, unlimited registry",
    about: "one layer of 1 GB of shared libraries in both images, into registries that neither hash nor store",
    layers: [shared("libraries", plain("libraries", 1000))],
    app: plain("text", 1),
    before: "nothing",
    registries: "sink",
    links: ["free"],
    moreLinks: [],
    modes: ["parallel"],
  },
];

/** @throws Error that lists the scenarios */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  throw new Error(`there is no scenario ${name}; there are ${SCENARIOS.map((one) => one.name).join(", ")}`);
}

/** Cells of the front page, in its order. */
export const FRONT_CELLS: readonly { readonly scenario: string; readonly link: string }[] = [
  { scenario: "java", link: "free" },
  { scenario: "java", link: "22" },
  { scenario: "rebuild", link: "free" },
  { scenario: "change", link: "free" },
  { scenario: "go", link: "free" },
  { scenario: "large-1g", link: "free" },
  { scenario: "files", link: "free" },
  { scenario: "tiny", link: "free" },
  { scenario: "java-tls", link: "free" },
];
