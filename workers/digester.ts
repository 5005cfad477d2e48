import { workerData } from "piscina";
import { digestBlocks } from "../src/layers/digest-blocks.ts";
import type { DigesterSetup, DigestReply, DigestTask } from "../src/layers/messages.ts";

const setup: DigesterSetup = workerData;

export default (task: DigestTask): Promise<DigestReply> => digestBlocks(setup, task);
