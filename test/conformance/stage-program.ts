import { chmodSync } from "node:fs";
import { inspect } from "node:util";
import { RealRegistry } from "../support/registry/real-registry.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { DOCKER_REGISTRY } from "../support/registry/registry-program.ts";
import { playCase } from "./play-case.ts";
import type { Play, PlayAnswer, PlaySubject } from "./stage.ts";
import { InProcess, type Runner, Subject } from "./subject.ts";

/* Runs in the root directory that stage.ts makes: plays the cases that it is sent, one after the other. */

const subjects = new Map<string, Subject>();
const inProcess = new InProcess();

const REGISTRIES = {
  /** It stores what is pushed while this process is another user. */
  fake: async () => {
    const registry = await FakeRegistry.start();
    chmodSync(registry.storage, 0o777);
    return registry;
  },
  "docker-registry": () => RealRegistry.start(DOCKER_REGISTRY),
};

function runnerOf(subject: PlaySubject): Runner {
  if (subject === "in-process") return inProcess;
  const known = subjects.get(subject.path) ?? new Subject(subject.path);
  subjects.set(subject.path, known);
  return known;
}

async function answer({ recorded, subject, firstSubject = subject, registry }: Play): Promise<PlayAnswer> {
  try {
    const runners = { first: runnerOf(firstSubject), last: runnerOf(subject) };
    return { played: await playCase(recorded, runners, REGISTRIES[registry]) };
  } catch (error) {
    return { error: inspect(error) };
  }
}

process.on("message", async (play: Play) => process.send?.(await answer(play)));
process.on("disconnect", () => process.exit());
