import { describe, expect, it } from "vitest";
import {
  appConfigBytes,
  appContainerConfig,
  type BaseImage,
  buildAppImage,
  runImageTopLayer,
} from "../../../src/images/app-image.ts";
import { createdTime, layerIn, newLayerMediaType } from "../../../src/images/image.ts";
import { DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf, parseDiffId } from "../../../src/oci/digest.ts";
import { emptyImageConfig, parseImageConfig } from "../../../src/oci/image-config.ts";
import { labelInputs } from "../../support/build/label-inputs.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const { config: EMPTY_CONFIG } = emptyImageConfig({ os: "linux", architecture: "amd64" });

const DIGEST = digestOf(Buffer.from("layer"));
const OLD = parseDiffId(`sha256:${"0".repeat(64)}`);
const NEW = parseDiffId(`sha256:${"1".repeat(64)}`);
const LAYER = { mediaType: DOCKER_LAYER_GZIP, size: 7, digest: DIGEST };
const LAYER_JSON = `{"mediaType":"${DOCKER_LAYER_GZIP}","size":7,"digest":"${DIGEST}"}`;

function base(config: object = {}, manifest: Partial<BaseImage["manifest"]> = {}): BaseImage {
  const document = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [OLD] }, ...config };
  return {
    config: parseImageConfig(Buffer.from(JSON.stringify(document)), "test"),
    manifest: {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: { mediaType: DOCKER_CONFIG, size: 1, digest: DIGEST },
      layers: [LAYER],
      ...manifest,
    },
    mediaType: DOCKER_MANIFEST,
  };
}

const MARKS = { created: "now", keepsHistory: true };
const ON_TOP = { ...LAYER, urls: ["u"] };
const EMPTY = Buffer.from("{}");

describe("appContainerConfig", () => {
  it("sets the app image's members and logs them in the reference's order", () => {
    const logger = new RecordingLogger();
    const run = { ...EMPTY_CONFIG, Cmd: ["sh"], Entrypoint: ["/e", "x"], User: "u", WorkingDir: "/old" };
    const inputs = { ...labelInputs("0.12"), layersDir: "/layers", appDir: "/workspace", processType: "" };
    const config = appContainerConfig(run, "linux", inputs, logger);
    expect(config).toMatchObject({
      Cmd: [],
      Entrypoint: ["/cnb/lifecycle/launcher"],
      User: "u",
      WorkingDir: "/workspace",
    });
    expect(logger.lines.map((line) => line.replace(/=.*/, ""))).toEqual([
      "info Adding label 'io.buildpacks.lifecycle.metadata'",
      "info Adding label 'io.buildpacks.build.metadata'",
      "info Adding label 'io.buildpacks.project.metadata'",
      "debug Setting CNB_LAYERS_DIR",
      "debug Setting CNB_APP_DIR",
      "debug Setting CNB_PLATFORM_API",
      "debug Setting CNB_DEPRECATION_MODE",
      "debug Prepending /cnb/process and /cnb/lifecycle to PATH",
      "debug Setting WORKDIR: '/workspace'",
      "info no default process type",
      "debug Setting ENTRYPOINT: '/cnb/lifecycle/launcher'",
    ]);
  });
});

describe("buildAppImage", () => {
  it("adds layers to the run image and sets all times", () => {
    const run = base({ container: "gone", container_config: { Cmd: ["gone"] }, created: "old", author: "kept" });
    const layers = [{ diffId: NEW, createdBy: "ours" }];
    const configBytes = appConfigBytes(run, layers, { ...EMPTY_CONFIG, User: "u" }, MARKS);
    const image = buildAppImage(run, configBytes, [ON_TOP]);
    const config =
      `{"architecture":"amd64","author":"kept","created":"now",` +
      `"history":[{"created":"now"},{"created":"now","created_by":"ours"}],"os":"linux",` +
      `"rootfs":{"type":"layers","diff_ids":["${OLD}","${NEW}"]},"config":{"User":"u"}}`;
    expect(Buffer.from(image.configBytes).toString()).toBe(config);
    const manifest =
      `{"schemaVersion":2,"mediaType":"${DOCKER_MANIFEST}","config":{"mediaType":"${DOCKER_CONFIG}",` +
      `"size":${config.length},"digest":"${digestOf(Buffer.from(config))}"},` +
      `"layers":[${LAYER_JSON},{"mediaType":"${DOCKER_LAYER_GZIP}","size":7,"digest":"${DIGEST}","urls":["u"]}]}`;
    expect(Buffer.from(image.manifestBytes).toString()).toBe(manifest);
    expect(image.manifestDescriptor).toEqual({
      mediaType: DOCKER_MANIFEST,
      size: manifest.length,
      digest: digestOf(Buffer.from(manifest)),
    });
    expect(image.layers).toHaveLength(2);
  });

  it("keeps the manifest's other members, refreshes embedded data, and adds annotations", () => {
    const run = base(
      {},
      {
        config: { mediaType: "its own", size: 1, digest: DIGEST, data: "b2xk", annotations: { c: "1" } },
        annotations: { b: "1", a: "1" },
        artifactType: "t",
      },
    );
    const image = buildAppImage(run, EMPTY, [], { a: "2" });
    const written = Buffer.from(image.manifestBytes).toString();
    expect(written).toContain(`"config":{"mediaType":"its own","size":2,"digest":"${digestOf(EMPTY)}",`);
    expect(written).toContain(`"data":"${EMPTY.toString("base64")}","annotations":{"c":"1"}}`);
    expect(written).toMatch(/"annotations":\{"a":"2","b":"1"\},"artifactType":"t"\}$/);
  });

  it("pushes a manifest without a media type as the registry's type", () => {
    const run = { ...base({}, { mediaType: undefined }), mediaType: OCI_MANIFEST };
    const image = buildAppImage(run, EMPTY, []);
    expect(Buffer.from(image.manifestBytes).toString()).toMatch(/^\{"schemaVersion":2,"config":/);
    expect(image.manifestDescriptor.mediaType).toBe(OCI_MANIFEST);
  });
});

it.each([
  [DOCKER_MANIFEST, "gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"],
  [OCI_MANIFEST, "gzip", "application/vnd.oci.image.layer.v1.tar+gzip"],
  [OCI_MANIFEST, "zstd", "application/vnd.oci.image.layer.v1.tar+zstd"],
] as const)("a new layer in %s with %s is %s", (manifest, compression, expected) => {
  expect(newLayerMediaType(manifest, compression)).toBe(expected);
});

it("gives a reused layer the media type of the manifest's kind, and Docker's has none for zstd", () => {
  const oci = "application/vnd.oci.image.layer.v1.tar";
  const docker = "application/vnd.docker.image.rootfs.diff.tar";
  const typeIn = (manifest: string, mediaType: string) => layerIn(manifest, { ...ON_TOP, mediaType })?.mediaType;
  const ociTypes = [oci, `${oci}+gzip`, `${oci}+zstd`, "other"];
  expect(ociTypes.map((type) => typeIn(DOCKER_MANIFEST, type))).toEqual([docker, `${docker}.gzip`, undefined, "other"]);
  expect([docker, `${docker}.gzip`, `${oci}+zstd`].map((type) => typeIn(OCI_MANIFEST, type))).toEqual(
    ociTypes.slice(0, 3),
  );
  expect(layerIn(DOCKER_MANIFEST, ON_TOP)).toEqual(ON_TOP);
});

it("rejects zstd in a Docker manifest, which has no media type for it", () => {
  const fault = thrownBy(() => newLayerMediaType(DOCKER_MANIFEST, "zstd"));
  expect(fault).toMatchObject({ code: "EXPORT_IMAGE_ZSTD", message: expect.stringContaining(DOCKER_MANIFEST) });
});

it("dates an image by SOURCE_DATE_EPOCH, also if that is 0", () => {
  expect(createdTime(undefined)).toBe("1980-01-01T00:00:01Z");
  expect(new Date(createdTime(0n)).getTime()).toBe(0);
});

it("finds the run image's top layer, if there is one", () => {
  expect(runImageTopLayer(base({ rootfs: { diff_ids: [OLD, NEW] } }).config)).toBe(NEW);
  const empty = emptyImageConfig({ os: "linux", architecture: "" });
  expect(thrownBy(() => runImageTopLayer(empty))).toMatchObject({ message: "image has no layers" });
});
