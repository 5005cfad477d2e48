import { expect, test } from "vitest";
import { warnFlagLikePositionals } from "../../../src/cli/program.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

test("warns of each positional that starts with a dash", () => {
  const logger = new RecordingLogger();
  warnFlagLikePositionals(["image", "", "-daemon", "a-b", "-"], logger);
  const text = (argument: string) =>
    `warn Warning: unconsumed flag-like positional arg: \n\t${argument}\n\t This will not be interpreted as a flag.\n\t Did you mean to put this before the first positional argument?`;
  expect(logger.lines).toEqual([text("-daemon"), text("-")]);
});
