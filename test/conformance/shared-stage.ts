import { beforeAll } from "vitest";
import { Stage } from "./stage.ts";

/** A stage for the tests of a file or suite, which starts before the first of them. */
export function sharedStage(): Pick<Stage, "play"> {
  let stage: Stage;
  beforeAll(() => {
    stage = new Stage();
    return () => stage[Symbol.asyncDispose]();
  });
  return { play: (play) => stage.play(play) };
}
