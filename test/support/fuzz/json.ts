import { parseEnvironmentAuth } from "../../../src/auth/docker-config.ts";
import { cacheMetadataJson, parseCacheMetadata } from "../../../src/cnb/lifecycle-metadata.ts";
import { responseFault } from "../../../src/http/faults.ts";
import { imageConfigBytes, parseImageConfig } from "../../../src/oci/image-config.ts";
import { isIndex, manifestBytes, parseIndex, parseManifest } from "../../../src/oci/manifest.ts";
import type { SeededRandom } from "../random.ts";
import { mutated } from "./mutations.ts";
import { type FuzzTarget, outcomeOf, violated } from "./target.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;
/** Stands for a value nested deeper than any stack. */
const DEEP = "@deep";
const NESTED = "[".repeat(50_000) + "]".repeat(50_000);
const DESCRIPTOR = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", size: 7, digest: DIGEST };
const SEEDS: readonly unknown[] = [
  {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { ...DESCRIPTOR, data: "e30=", urls: ["http://x"], annotations: { a: "b" } },
    layers: [DESCRIPTOR, { ...DESCRIPTOR, platform: { os: "linux", architecture: "amd64" } }],
    annotations: { x: "y" },
  },
  { schemaVersion: 2, manifests: [{ ...DESCRIPTOR, platform: { os: "linux", architecture: "arm64", variant: "v8" } }] },
  {
    architecture: "amd64",
    os: "linux",
    created: "1980-01-01T00:00:01Z",
    history: [{ created_by: "x", empty_layer: true }],
    rootfs: { type: "layers", diff_ids: [DIGEST] },
    config: {
      Env: ["PATH=/bin"],
      Labels: { a: "b" },
      Volumes: { "/x": {} },
      Healthcheck: { Test: ["CMD"], Interval: 1 },
    },
  },
  {
    sbom: { sha: DIGEST },
    buildpacks: [{ key: "k", version: "1", layers: { jdk: { sha: DIGEST, data: { a: [1, null] }, cache: true } } }],
  },
  { errors: [{ code: "MANIFEST_UNKNOWN", message: "unknown", detail: { Tag: ["latest", { a: 1 }] } }] },
  { "https://index.docker.io/v1/": "Basic eDp5" },
];
const VALUES: readonly unknown[] = [
  ...[null, -1, 0.5, 1e300, 2 ** 53, "", "\u0000", DEEP, true, [], {}, [[]], { "": null }, "sha256:../../etc/passwd"],
  ...["../..", DIGEST.toUpperCase(), [null], { __proto__: null }, "x".repeat(5000)],
];
const NAMES = ["__proto__", "constructor", "toString", "Layers", "LAYERS", "size", "digest", "config", "labels", ""];

function changed(random: SeededRandom, value: unknown): unknown {
  if (random.below(14) === 0) return random.pick(VALUES);
  if (Array.isArray(value)) {
    const items = value.map((item) => changed(random, item));
    return random.below(10) === 0 ? [...items, ...items, random.pick(VALUES)] : items;
  }
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]): [string, unknown] => [
    random.below(15) === 0 ? random.pick(NAMES) : name,
    changed(random, member),
  ]);
  if (random.below(8) === 0) members.push([random.pick(NAMES), random.pick(VALUES)]);
  return Object.fromEntries(members.filter(() => random.below(15) !== 0));
}

const PIECES = ['"', "{", "}", "[", "]", ":", ",", "\\u0000", '"__proto__":{"a":1},', "1e999", "-0", "null", "é"];

/** Responses of registries, and caches. An accepted document can be written, and then reads the same. */
export const json: FuzzTarget<string> = {
  name: "json",
  generate(random) {
    const text = JSON.stringify(changed(random, random.pick(SEEDS)))?.replaceAll(`"${DEEP}"`, NESTED) ?? "";
    return random.below(3) === 0 ? mutated(random, text, PIECES) : text;
  },
  check(text) {
    const bytes = Buffer.from(text);
    const manifest = outcomeOf(() => {
      const parsed = parseManifest(bytes);
      const written = manifestBytes(parsed);
      if (!manifestBytes(parseManifest(written)).equals(written))
        violated("a manifest changes when it is read again", text);
      for (const { size } of [parsed.config, ...parsed.layers])
        if (!Number.isSafeInteger(size) || size < 0) violated("no size", text, size);
      return parsed;
    });
    const index = outcomeOf(() => parseIndex(bytes));
    const config = outcomeOf(() => {
      const written = imageConfigBytes(parseImageConfig(bytes, "x"));
      if (!imageConfigBytes(parseImageConfig(written, "x")).equals(written))
        violated("a config changes when it is read again", text);
      return written.toString();
    });
    const cache = outcomeOf(() => cacheMetadataJson(parseCacheMetadata(text)));
    const url = new URL("https://registry.example/v2/");
    const failed = responseFault({ method: "GET", url, status: 400, retryAfter: undefined, body: text }).message;
    const auth = outcomeOf(() => [...parseEnvironmentAuth(text)]);
    return { manifest, index, isIndex: isIndex("", bytes), config, cache, failed, auth };
  },
};
