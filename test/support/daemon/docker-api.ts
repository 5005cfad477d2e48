import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract, pack } from "tar-stream";
import { digestOf } from "../../../src/oci/digest.ts";
import { tempTree } from "../files/temp-tree.ts";

export interface DockerApiOptions {
  readonly apiVersion: string;
  readonly storage: "classic" | "containerd";
  /** False: the daemon has forgotten the layers below images, so that every image must be sent completely. */
  readonly knowsBase: boolean;
  /** Paths, without the version, that a proxy in front of the daemon refuses. */
  readonly refuses?: RegExp;
  /** Paths, without the version, that a proxy in front of the daemon redirects. */
  readonly redirects?: RegExp;
  /** Formats IDs like podman, without `sha256:`. */
  readonly leavesOutAlgorithm?: boolean;
  /** Knows a loaded image by its name only, not by the digest of its config. */
  readonly identifiesByName?: boolean;
  /** Responds to a load without waiting for the image. */
  readonly respondsEarly?: boolean;
  /** Stops without a response to the first load. */
  readonly stopsOnLoad?: boolean;
  /** Every image is empty. */
  readonly hasNoLayers?: boolean;
  /** Every image has its layer twice, which Docker before version 25 saves once, and links. */
  readonly repeatsLayer?: boolean;
  /** The labels of every image. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ReceivedLoad {
  readonly repoTags: readonly string[];
  readonly config: {
    readonly rootfs: { readonly diff_ids: readonly string[] };
    readonly architecture: string;
    readonly config: { readonly Labels: Readonly<Record<string, string>> };
  };
  readonly configDigest: string;
  /** The tar of each layer, from the bottom; empty if nothing was sent. */
  readonly layers: readonly Buffer[];
  /** The name of each layer's file. */
  readonly layerNames: readonly string[];
}

/**
 * A daemon with containerd's image store, which Debian's does not have; and faults that no real daemon produces on
 * demand.
 */
export class DockerApi implements AsyncDisposable {
  readonly runImageId = digestOf(Buffer.from("an index"));
  /** What the name of a loaded image has: with classic storage, the image of another export. */
  readonly loadedId = digestOf(Buffer.from("another index"));
  readonly baseTar: Buffer;
  readonly requests: string[] = [];
  readonly loads: ReceivedLoad[] = [];
  /** Idle time in ms after which the daemon closes a connection. */
  set idleMs(value: number) {
    this.#server.keepAliveTimeout = value;
  }

  connections = 0;
  openConnections = 0;
  /** Replacement responses by the number of the load. */
  readonly answers = new Map<number, string>();
  readonly #options: DockerApiOptions;
  readonly #server: Server;
  #loaded: string | undefined;

  private constructor(options: DockerApiOptions, baseTar: Buffer) {
    this.#options = options;
    this.baseTar = baseTar;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => send(response, 500, { message: String(error) }));
    });
    this.#server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.openConnections += 1;
      socket.once("close", () => {
        this.openConnections -= 1;
      });
    });
  }

  static async start(options: DockerApiOptions, listenOn: "unix" | "tcp" = "unix"): Promise<[DockerApi, string]> {
    const archive = pack();
    archive.entry({ name: "etc/os-release", mtime: new Date(0) }, 'ID="fake"\n');
    archive.finalize();
    const api = new DockerApi(options, await buffer(archive));
    const path = join(tempTree(), "docker.sock");
    if (listenOn === "unix") api.#server.listen(path);
    else api.#server.listen(0, "127.0.0.1");
    await once(api.#server, "listening");
    const address = api.#server.address();
    const isTcp = typeof address === "object" && address !== null;
    return [api, isTcp ? `tcp://127.0.0.1:${address.port}` : `unix://${path}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await this.#server[Symbol.asyncDispose]();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://docker");
    this.requests.push(`${request.method} ${decodeURIComponent(url.pathname + url.search)}`);
    const path = url.pathname.replace(/^\/v[\d.]+/, "");
    if (this.#options.refuses?.test(path)) response.writeHead(403).end("Forbidden");
    else if (this.#options.redirects?.test(path))
      response.writeHead(307, { location: "https://elsewhere.example/" }).end();
    else if (path === "/_ping") {
      response.setHeader("api-version", this.#options.apiVersion);
      send(response, 200, "OK");
    } else if (path === "/version") send(response, 200, { ApiVersion: this.#options.apiVersion });
    else if (path === "/info") send(response, 200, { DriverStatus: this.#driverStatus() });
    else if (path === "/images/load") await this.#load(request, response);
    else if (path.endsWith("/get")) await this.#save(response);
    else if (path.endsWith("/tag")) send(response, 201, "");
    else if (path.endsWith("/history")) send(response, 200, [{ CreatedBy: "base", Comment: "", Created: 1 }]);
    else this.#inspect(path, url.searchParams.has("platform"), response);
  }

  #driverStatus(): string[][] {
    return this.#options.storage === "containerd" ? [["driver-type", "io.containerd.snapshotter.v1"]] : [["a", "b"]];
  }

  #inspect(path: string, hasPlatform: boolean, response: ServerResponse): void {
    const isRunImage = path.includes("run");
    const [digest] = /sha256:[0-9a-f]{64}/.exec(path) ?? [];
    const isUnknownDigest =
      digest !== undefined &&
      (this.#options.identifiesByName || !this.loads.some(({ configDigest }) => configDigest === digest));
    if (!isRunImage && (isUnknownDigest || this.#loaded === undefined)) {
      send(response, 404, { message: "No such image" });
      return;
    }
    const id = isRunImage ? this.runImageId : (digest ?? this.#loaded ?? "");
    send(response, 200, {
      Id: this.#options.leavesOutAlgorithm ? id.slice("sha256:".length) : id,
      Architecture: hasPlatform ? "of-the-platform" : "of-the-index",
      Os: "linux",
      RootFS: { Type: "layers", Layers: this.#diffIds() },
      Config: { Env: ["PATH=/bin"], Labels: this.#options.labels },
    });
  }

  #diffIds(): string[] {
    const diffId = digestOf(this.baseTar);
    if (this.#options.hasNoLayers) return [];
    return this.#options.repeatsLayer ? [diffId, diffId] : [diffId];
  }

  /**
   * Like docker 25 and newer: an OCI layout with a manifest.json, its layers compressed if containerd has them
   * compressed.
   */
  async #save(response: ServerResponse): Promise<void> {
    const blob = gzipSync(this.baseTar);
    const layer = `blobs/sha256/${digestOf(blob).slice(7)}`;
    const archive = pack();
    archive.entry({ name: "blobs/", type: "directory" });
    archive.entry({ name: layer }, blob);
    archive.entry({ name: "index.json" }, "{}");
    const layers = [layer];
    if (this.#options.repeatsLayer) {
      archive.entry({ name: "again/layer.tar", type: "symlink", linkname: `../${layer}` });
      layers.push("again/layer.tar");
    }
    archive.entry({ name: "manifest.json" }, JSON.stringify([{ Config: "c", RepoTags: null, Layers: layers }]));
    archive.entry({ name: "oci-layout" }, "{}");
    archive.finalize();
    response.end(await buffer(archive));
  }

  async #load(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#options.respondsEarly) {
      send(response, 200, '{"stream":"Loaded"}');
      return;
    }
    const load = await parseLoad(request);
    this.loads.push(load);
    if (this.#options.stopsOnLoad) {
      this.#server.close();
      this.#server.closeAllConnections();
      return;
    }
    const answer = this.answers.get(this.loads.length);
    if (answer !== undefined) {
      this.#loaded = this.loadedId;
      send(response, 200, answer);
      return;
    }
    const isBlank = load.layers.some((layer) => layer.length === 0);
    if (isBlank && !this.#options.knowsBase) {
      send(
        response,
        200,
        '{"stream":"Loading"}\r\n{"errorDetail":{"message":"invalid diffID"},"error":"invalid diffID"}\r\n',
      );
      return;
    }
    this.#loaded = this.loadedId;
    send(response, 200, '{"stream":"Loaded image: app"}\r\n');
  }
}

async function parseLoad(request: IncomingMessage): Promise<ReceivedLoad> {
  const archive = extract();
  const files = new Map<string, Buffer>();
  request.pipe(archive);
  for await (const entry of archive) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) if (chunk instanceof Uint8Array) chunks.push(chunk);
    files.set(entry.header.name, Buffer.concat(chunks));
  }
  if (files.has("oci-layout")) throw new Error("the load is an OCI layout");
  const [{ Config, RepoTags, Layers }] = JSON.parse(String(files.get("manifest.json")));
  const layers = Layers.map((name: string) => asTar(files.get(name)));
  return {
    repoTags: RepoTags,
    config: JSON.parse(String(files.get(Config))),
    configDigest: `sha256:${Config.replace(".json", "")}`,
    layers,
    layerNames: Layers,
  };
}

function asTar(bytes: Buffer | undefined): Buffer {
  if (bytes === undefined) throw new Error("a layer is missing");
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
