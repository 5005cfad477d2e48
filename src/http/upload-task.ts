import type { MessagePort } from "node:worker_threads";
import { Fault } from "../errors/fault.ts";
import { fromWire, toWire, type WireFault } from "../errors/wire.ts";
import { HttpError } from "./http-error.ts";
import type { Route } from "./routes.ts";
import type { RootVariables } from "./tls.ts";
import type { RawRequest, RawResponse } from "./transport.ts";
import { ProxyFailure, ProxyRefusal, type RefusalDetails } from "./tunnel.ts";
import type { BodyRange } from "./upload-body.ts";

/*
 * Messages between the main thread (upload-threads.ts) and an upload thread (workers/uploader.ts). A task is one HTTP
 * request whose body is in a file that may still grow.
 */

export interface UploaderSetup {
  readonly environment: RootVariables;
  readonly connections: number | undefined;
}

export interface UploadTask {
  readonly port: MessagePort;
  readonly route: WireRoute;
  readonly request: Omit<RawRequest, "body" | "signal">;
  readonly body: WireBody;
}

interface WireRoute {
  readonly url: string;
  readonly isInsecure: boolean;
  readonly proxy: string | undefined;
  readonly connectMs: number;
}

/**
 * The main thread keeps the file open. Without `listenBytes` the body does not pause to listen; if `isAdmitted`, chunks
 * wait for the main thread's `admitted`.
 */
interface WireBody {
  readonly fileDescriptor: number;
  readonly offset: number;
  readonly range: BodyRange;
  readonly destination: string;
  readonly stallMs: number;
  readonly listenBytes: number | undefined;
  readonly isAdmitted: boolean;
}

/** Messages to the thread during its task; `grown` precedes every byte that the thread reads. */
export type UploadCommand =
  | { readonly kind: "grown"; readonly available: number; readonly isComplete: boolean }
  | { readonly kind: "admitted" }
  | { readonly kind: "stop" };

/** Messages from the thread during its task. */
export type UploadNotice =
  | { readonly kind: "position"; readonly position: number }
  | { readonly kind: "admit"; readonly bytes: number };

/**
 * Sent once the thread no longer reads the file. `body` has as much as the main thread reads of such a response, and
 * `position` counts the bytes sent: the last messages may still be on their way.
 */
export type UploadReply =
  | (Pick<RawResponse, "status" | "headers"> & {
      readonly kind: "answered";
      readonly body: Uint8Array;
      readonly position: number;
    })
  | { readonly kind: "stalled"; readonly position: number }
  | { readonly kind: "failed"; readonly error: WireError; readonly position: number };

export function routeToWire({ url, proxy, ...rest }: Route): WireRoute {
  return { ...rest, url: url.origin, proxy: proxy?.href };
}

export function routeFromWire({ url, proxy, ...rest }: WireRoute): Route {
  return { ...rest, url: new URL(url), proxy: proxy === undefined ? undefined : new URL(proxy) };
}

type Field = string | number | boolean | undefined;

/** Structured clone would drop an error's fields, which identify its cause. */
export type WireError =
  | { readonly kind: "fault"; readonly fault: WireFault }
  | { readonly kind: "proxy"; readonly proxy: string; readonly step: ProxyFailure["step"]; readonly error: WireError }
  | { readonly kind: "refusal"; readonly message: string; readonly proxy: string; readonly details: RefusalDetails }
  | { readonly kind: "http" | "other"; readonly message: string; readonly fields: Readonly<Record<string, Field>> };

export function errorToWire(error: unknown): WireError {
  if (error instanceof Fault || !Error.isError(error)) return { kind: "fault", fault: toWire(error) };
  const { message } = error;
  if (error instanceof ProxyFailure)
    return { kind: "proxy", proxy: error.proxy, step: error.step, error: errorToWire(error.cause) };
  if (error instanceof ProxyRefusal) {
    const { proxy, status, isTemporary, login } = error;
    return { kind: "refusal", message, proxy, details: { status, isTemporary, login } };
  }
  const fields = Object.fromEntries(
    Object.entries(error).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value)),
  );
  return { kind: error instanceof HttpError ? "http" : "other", message, fields };
}

export function errorFromWire(wire: WireError): Error {
  switch (wire.kind) {
    case "fault":
      return fromWire(wire.fault);
    case "proxy":
      return new ProxyFailure(wire.proxy, wire.step, errorFromWire(wire.error));
    case "refusal":
      return new ProxyRefusal(wire.proxy, wire.message, wire.details);
    case "http":
      return new HttpError(String(wire.fields.code), wire.message, wire.fields);
    case "other":
      return Object.assign(new Error(wire.message), wire.fields);
  }
}
