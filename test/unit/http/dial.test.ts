import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { dial, dialAny } from "../../../src/http/dial.ts";
import { lookupInHostsFile } from "../../../src/http/hosts-file.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RawServer } from "../../support/network/raw-server.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const V4 = { address: "127.0.0.1", family: 4 };
const V6 = { address: "::1", family: 6 };

/** Many containers have none. */
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((own) => own?.address === V6.address);
const missing = hasIpv6 ? "" : " (needs IPv6)";

const options = () => ({ timeoutMs: 20_000, signal: new AbortController().signal });

/** Accepts at most one connection, and none while it is stopped. */
const LISTENER =
  'const s = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port));';

/** A port of 127.0.0.1 where connections neither succeed nor fail, as over a slow route. */
async function startSlow() {
  const child = spawn(process.execPath, ["-e", LISTENER], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = await once(child.stdout, "data");
  const port = Number(line);
  child.kill("SIGSTOP");
  const fill = Array.from({ length: 8 }, () => connect({ host: "127.0.0.1", port }).on("error", () => undefined));
  onTestFinished(() => {
    for (const socket of fill) socket.destroy();
  });
  await once(fill[0] as Socket, "connect");
  return { port, release: () => child.kill("SIGCONT") };
}

async function addressOf(connecting: Promise<Socket>): Promise<string | undefined> {
  const socket = await connecting;
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket.remoteAddress;
}

/** Listens on one address family only. */
async function listenOn(host: string): Promise<number> {
  const server = await RawServer.start(() => undefined, undefined, host);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.port;
}

test.skipIf(!hasIpv6).each([
  ["IPv4", V4, V6],
  ["IPv6", V6, V4],
])(`reaches a host that listens only on %s, whichever family comes first${missing}`, async (_, listening, other) => {
  const port = await listenOn(listening.address);
  expect(await addressOf(dialAny([other, listening], port, options()))).toBe(listening.address);
  expect(await addressOf(dialAny([listening, other], port, options()))).toBe(listening.address);
});

test("an unreachable family does not end the wait for a slow route of the other", async () => {
  const { port, release } = await startSlow();
  const connecting = dialAny([V4, V6], port, options());
  const connected = addressOf(connecting);
  // Long after the other family has failed, and longer than an attempt of Node's own connector.
  setTimeout(release, 800);
  expect(await connected).toBe("127.0.0.1");
});

test.skipIf(!hasIpv6)(`a silent family does not block the other${missing}`, async () => {
  const { port } = await startSlow();
  const server = await RawServer.start(() => undefined, undefined, "::1", port);
  onTestFinished(() => server[Symbol.asyncDispose]());
  expect(await addressOf(dialAny([V4, V6], port, options()))).toBe("::1");
});

test("an abort ends all attempts with its reason", async () => {
  const { port } = await startSlow();
  const stop = new AbortController();
  const connecting = dialAny([V4, { address: "127.0.0.1", family: 4 }], port, { ...options(), signal: stop.signal });
  stop.abort(new Error("enough"));
  expect(await rejectionOf(connecting)).toMatchObject({ message: "enough" });
});

test("the next address of a family is tried when one fails", async () => {
  const port = await listenOn("127.0.0.1");
  const nobody = { address: "127.1.1.1", family: 4 };
  expect(await addressOf(dialAny([nobody, V4], port, options()))).toBe("127.0.0.1");
});

test.skipIf(!hasIpv6)(`the error is the first address's${missing}`, async () => {
  const port = await listenOn("127.0.0.1");
  const addresses = [V6, { address: "127.1.1.1", family: 4 }];
  expect(await rejectionOf(dialAny(addresses, port, options()))).toMatchObject({
    code: "ECONNREFUSED",
    address: "::1",
  });
});

test("a connection attempt ends at its timeout", async () => {
  const { port } = await startSlow();
  expect(await rejectionOf(dialAny([V4], port, { ...options(), timeoutMs: 200 }))).toMatchObject({
    code: "HTTP_CONNECT_TIMEOUT",
    address: "127.0.0.1",
    port,
  });
});

test("an unknown name fails with the lookup's error", async () => {
  expect(await rejectionOf(dial("nobody.invalid", 443, options()))).toMatchObject({ syscall: "getaddrinfo" });
});

test("a name with a final dot is looked up in the hosts file first", async () => {
  const port = await listenOn("127.0.0.1");
  const hostsFile = `${tempTree({ hosts: "127.0.0.1 registry.invalid" })}/hosts`;
  expect(await addressOf(dial("registry.invalid.", port, { ...options(), hostsFile }))).toBe("127.0.0.1");
});

test("all lines of a hosts file that have the name count, with and without a final dot", async () => {
  const lines = [
    "10.0.0.1\tReg.Example reg",
    "# 10.0.0.2 reg.example",
    "10.0.0.3 other.example # reg.example",
    "fd00::1  alias reg.example.",
    "reg.example 10.0.0.4",
    "10.0.0.5 reg.example.corp",
  ];
  const path = `${tempTree({ hosts: lines.join("\n") })}/hosts`;
  const found = [
    { address: "10.0.0.1", family: 4 },
    { address: "fd00::1", family: 6 },
  ];
  for (const name of ["reg.example", "reg.example.", "REG.example."])
    expect(await lookupInHostsFile(name, path)).toEqual(found);
  expect(await lookupInHostsFile("nobody.example.", path)).toEqual([]);
  expect(await lookupInHostsFile("reg.example.", `${path}.missing`)).toEqual([]);
});
