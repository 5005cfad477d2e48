import { type CaseInput, type ConformanceCase, completeCase } from "../recorded-case.ts";
import { breakInputs } from "./broken-inputs.ts";
import { processTypes } from "./build-metadata.ts";
import { drawBuildOutput } from "./build-output.ts";
import { drawDestination } from "./destination.ts";
import { drawAnalyzed, drawAnalyzedAgain } from "./documents.ts";
import { Draw } from "./draw.ts";
import { drawInvocation, PLATFORM_APIS } from "./invocation.ts";
import { drawNextBuild } from "./next-build.ts";
import { drawRunImage } from "./run-images.ts";

/** The whole input of an export, or of two in a row, that follows from a seed. */
export function generateCase(seed: number): ConformanceCase {
  const draw = new Draw(seed);
  const platformApi = draw.pick(PLATFORM_APIS);
  const destination = drawDestination(draw, platformApi);
  const output = drawBuildOutput(draw);
  const call = (api: string) => drawInvocation(draw, api, destination, processTypes(output.files));
  const { files: pointedAt, ...invocation } = call(platformApi);
  const firstAnalyzed = { path: "layers/analyzed.toml", content: drawAnalyzed(draw) };
  const around = [...destination.files, ...pointedAt];
  const input: CaseInput = {
    name: `generated-${seed}`,
    ...invocation,
    runImage: drawRunImage(draw, destination.kind === "layout"),
    ...(destination.kind === "layout" ? { runLayout: draw.pick(["complete", "sparse"]) } : {}),
    files: [...output.files, ...around, firstAnalyzed],
  };
  const isBroken = draw.chance(0.15);
  if (draw.chance(0.65)) return completeCase(isBroken ? breakInputs(draw, input) : input);
  const analyzed = { path: "layers/analyzed.toml", content: drawAnalyzedAgain(draw) };
  const next: CaseInput = { ...input, files: [...drawNextBuild(draw, output), ...around, analyzed] };
  const { files, args, env } = input;
  const isOther = destination.kind === "registry" && draw.chance(0.3);
  const other = isOther ? call(draw.pick(PLATFORM_APIS)) : undefined;
  const first =
    other === undefined || [invocation, other].some(({ args: all }) => all?.includes("-parallel"))
      ? { files, args, env }
      : { ...other, files: [...output.files, ...destination.files, ...other.files, firstAnalyzed] };
  return completeCase({ ...(isBroken ? breakInputs(draw, next) : next), previous: first });
}
