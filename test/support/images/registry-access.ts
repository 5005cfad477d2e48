import { Agent, fetch, type RequestInit, type Response } from "undici";

export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface AccessOptions {
  /** The authority of the registry's certificate, in PEM; absent: plain HTTP. */
  readonly authority?: string;
  readonly login?: Login;
}

/** Lets tests inspect and prepare a registry, independently of the exporter's client. */
export class RegistryAccess {
  readonly #scheme: "http" | "https";
  readonly #agent: Agent;
  readonly #login: Login | undefined;

  constructor({ authority, login }: AccessOptions = {}) {
    this.#scheme = authority === undefined ? "http" : "https";
    this.#agent = new Agent(authority === undefined ? {} : { connect: { ca: authority } });
    this.#login = login;
  }

  /** @param name `<host>:<port>/<repository>` */
  repositoryUrl(name: string): string {
    const slash = name.indexOf("/");
    return `${this.#scheme}://${name.slice(0, slash)}/v2/${name.slice(slash + 1)}`;
  }

  /** @throws Error with the response unless it is a success */
  async send(url: string, init: RequestInit = {}): Promise<Response> {
    const first = await fetch(url, { ...init, dispatcher: this.#agent });
    const challenge = first.headers.get("www-authenticate");
    const authorization = first.status === 401 && challenge !== null ? await this.#answer(challenge) : undefined;
    const response =
      authorization === undefined
        ? first
        : await fetch(url, { ...init, headers: { ...init.headers, authorization }, dispatcher: this.#agent });
    if (!response.ok) throw new Error(`${init.method ?? "GET"} ${url}: ${response.status} ${await response.text()}`);
    return response;
  }

  async #answer(challenge: string): Promise<string | undefined> {
    if (this.#login === undefined) return undefined;
    const basic = `Basic ${btoa(`${this.#login.username}:${this.#login.password}`)}`;
    if (!/^Bearer /i.test(challenge)) return basic;
    const { realm = "", ...query } = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
    );
    const url = `${realm}?${new URLSearchParams(query)}`;
    const found = await fetch(url, { headers: { authorization: basic }, dispatcher: this.#agent });
    const body: unknown = await found.json();
    if (typeof body !== "object" || body === null || !("token" in body)) throw new Error(`${realm} gives no token`);
    return `Bearer ${body.token}`;
  }
}

export const OPEN_ACCESS = new RegistryAccess();
