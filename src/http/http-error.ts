export class HttpError extends Error {
  readonly code: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
  /** How long nothing was received or sent before a timeout. */
  readonly silentMs?: number;
  /** The connection had not delivered any response yet. */
  readonly isFirst?: boolean;
  /** Received bytes that are not HTTP/1.1. */
  readonly data?: string;
  /** The certificate of the server failed its verification. */
  readonly hasBadCertificate?: boolean;

  constructor(code: string, message: string, details: Omit<Partial<HttpError>, keyof Error | "code"> = {}) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}

export function isConnectTimeout(error: unknown): boolean {
  return error instanceof HttpError && error.code === "HTTP_CONNECT_TIMEOUT";
}
