import { expect, test } from "vitest";
import { EarlyBuild, layerScript } from "../../support/creator/early-build.ts";
import { IS_TRUSTED } from "../../support/early-scene.ts";
import { verifyImage } from "../../support/verify-image.ts";

test.runIf(IS_TRUSTED)("a finished buildpack's layer is uploaded while the next one runs", async () => {
  const early = await EarlyBuild.open();
  early.buildpacks({ first: layerScript("jre", "head -c 3000000 /dev/urandom > lib") });
  const running = early.start({ flags: ["-no-color"] });
  await early.untilUploaded(1);
  expect(early.isSecondRunning).toBe(true);
  early.goOn();
  const run = await running.ended;
  expect(run).toMatchObject({ exitCode: 0 });
  await verifyImage(early.build.image);
});
