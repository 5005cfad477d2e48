import type { Challenge } from "./challenge.ts";

/** A request that was refused. */
export interface Refusal {
  readonly status: number;
  /** What the registry asks for now. */
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  /** The Authorization header that was not good enough. */
  readonly header: string | undefined;
}

/** How requests are let into a registry, of the kind that it asked for. */
export interface RegistryLogin {
  readonly scheme: "basic" | "bearer";
  /** The Authorization header for requests that need these scopes; undefined without credentials. */
  authorization(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined>;
  /** Takes note of a refusal. True when asking for another header makes sense. */
  refuse(refusal: Refusal): boolean;
}
