import type { Mode } from "./contender.ts";
import type { PoolName } from "./make-build.ts";

/** How much of one kind of file. Sizes in bytes. */
export interface Amount {
  readonly pool: PoolName;
  /** Of the files; or of what is left of them after gzip -1, which is what an image's size in a registry means. */
  readonly unit: "bytes" | "compressedBytes" | "files";
  readonly amount: number;
}

/** One file of so many zeros, which a disk need not hold. */
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

/** What is exported before the one that is measured. */
export type Before = "nothing" | "same" | "one-layer-differs";

/** A build to export, and where it is worth measuring. Link names are those of `parseLink`. */
export interface Scenario {
  readonly name: string;
  /** One sentence for the report. */
  readonly about: string;
  readonly layers: readonly BenchLayer[];
  readonly app: Amount;
  readonly before: Before;
  /** Measured when nothing is chosen. */
  readonly links: readonly string[];
  /** Measured besides with `--all`. */
  readonly moreLinks: readonly string[];
  readonly modes: readonly Mode[];
}

const MB = 1e6;
const BOTH: readonly Mode[] = ["series", "parallel"];

const compressed = (pool: PoolName, megabytes: number): Amount => ({
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

/** RFC 0125's Java build, layer by layer with the sizes of its table, which are those of compressed layers. */
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
    about: "250 MB of archives and images that are compressed already, in both images",
    layers: [shared("wheels", plain("archives", 250))],
    app: plain("text", 1),
    before: "nothing",
    links: ["free"],
    moreLinks: ["22"],
    modes: ["parallel"],
  },
  {
    name: "tiny",
    about: "a few kB in all: what starting and talking to registries costs",
    layers: [launchOnly("config", plain("text", 0.004))],
    app: plain("text", 0.004),
    before: "nothing",
    links: ["free"],
    moreLinks: ["22"],
    modes: BOTH,
  },
  {
    name: "rebuild",
    about: "the Java build once more, unchanged: app and cache image are there from the build before",
    ...java,
    before: "same",
    links: ["free"],
    moreLinks: ["22"],
    modes: BOTH,
  },
  {
    name: "change",
    about: "the Java build once more, with one file of its largest layer changed",
    ...java,
    before: "one-layer-differs",
    links: ["free"],
    moreLinks: ["22"],
    modes: ["parallel"],
  },
];
