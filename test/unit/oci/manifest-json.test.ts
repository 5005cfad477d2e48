import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/oci/digest.ts";
import { manifestBytes, parseManifest } from "../../../src/oci/manifest.ts";

const digest = digestOf(Buffer.from("x"));
const plain = { digest, size: 0, mediaType: "m" };

describe("manifestBytes", () => {
  it("leaves empty members out", () => {
    expect(manifestBytes({ layers: [], config: plain, schemaVersion: 2, annotations: {} }).toString()).toBe(
      `{"schemaVersion":2,"config":{"mediaType":"m","size":0,"digest":"${digest}"},"layers":[]}`,
    );
  });

  it("writes all members in the reference's order, and again after reading them", () => {
    const full = {
      artifactType: "a",
      platform: { variant: "v", "os.features": ["f"], "os.version": "1", os: "o", architecture: "c", features: ["g"] },
      annotations: { z: "1", a: "2" },
      urls: ["https://x/?a&b"],
      data: "e30=",
      ...plain,
    };
    const manifest = {
      artifactType: "t",
      annotations: { k: "v" },
      layers: [full],
      config: plain,
      mediaType: "mm",
      schemaVersion: 2,
    };
    const written =
      `{"schemaVersion":2,"mediaType":"mm","config":{"mediaType":"m","size":0,"digest":"${digest}"},"layers":[` +
      `{"mediaType":"m","size":0,"digest":"${digest}","data":"e30=","urls":["https://x/?a\\u0026b"],` +
      `"annotations":{"a":"2","z":"1"},"platform":{"architecture":"c","os":"o","os.version":"1","os.features":["f"],` +
      `"variant":"v","features":["g"]},"artifactType":"a"}],"annotations":{"k":"v"},"artifactType":"t"}`;
    expect(manifestBytes(manifest).toString()).toBe(written);
    expect(manifestBytes(parseManifest(Buffer.from(written))).toString()).toBe(written);
  });
});
