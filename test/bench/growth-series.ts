import { type BenchLayer, type Contents, launchOnly, plain, type Scenario, shared } from "./scenarios.ts";

/** One build of a series. */
export interface GrowthPoint {
  /** How many of what the series counts. */
  readonly amount: number;
  readonly scenario: Scenario;
  /** Of the app image. */
  readonly tags: number;
}

/** Builds that differ in one number only. */
export interface GrowthSeries {
  readonly name: string;
  /** For the report, a sentence without its end. */
  readonly about: string;
  /** What is counted, one and many. */
  readonly unit: readonly [string, string];
  readonly points: readonly GrowthPoint[];
}

const MB = 1e6;
const smallApp = plain("text", 0.004);

function point(amount: number, layers: readonly BenchLayer[], tags = 1): GrowthPoint {
  const scenario: Scenario = {
    name: `growth-${amount}`,
    about: "",
    layers,
    app: smallApp,
    before: "nothing",
    links: ["free"],
    moreLinks: [],
    modes: ["parallel"],
  };
  return { amount, scenario, tags };
}

const oneLayer = (contents: (megabytes: number) => Contents) => (megabytes: number) =>
  point(megabytes, [shared("layer", contents(megabytes))]);

/** One file of zeros, which takes no room on the disk. */
const zeros = (megabytes: number): Contents => ({ pool: "zeros", unit: "bytes", amount: megabytes * MB });

export const oneLayerOfZeros = (megabytes: number): Scenario => oneLayer(zeros)(megabytes).scenario;

export const GROWTH: readonly GrowthSeries[] = [
  {
    name: "layers",
    about: "layers of 0.2 MB of text each, in both images",
    unit: ["layer", "layers"],
    points: [1, 50, 500].map((count) =>
      point(
        count,
        Array.from({ length: count }, (_, i) => shared(`layer-${i}`, plain("text", 0.2))),
      ),
    ),
  },
  {
    name: "libraries",
    about: "one layer of shared libraries, in both images",
    unit: ["MB", "MB"],
    points: [1, 10, 100, 1000].map(oneLayer((megabytes) => plain("libraries", megabytes))),
  },
  {
    name: "zeros",
    about:
      "one layer of a single file of zeros, in both images: next to nothing to compress, store and send, so it shows reading, hashing and how a layer of 20 GB is handled",
    unit: ["MB", "MB"],
    points: [1, 10, 100, 1000, 20_000].map(oneLayer(zeros)),
  },
  {
    name: "tags",
    about: "a build of a few kB under so many tags",
    unit: ["tag", "tags"],
    points: [1, 2, 5, 10].map((tags) => point(tags, [launchOnly("config", smallApp)], tags)),
  },
];
