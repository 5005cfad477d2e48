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
  /** The issuer of the last certificate that the server sent. */
  readonly issuer?: string;
  /** The server sent only its own certificate, which is not self-signed. */
  readonly isWithoutIssuer?: boolean;
  /** Why `SSL_CERT_FILE` or `SSL_CERT_DIR` has no effect. */
  readonly unreadRoots?: string | undefined;
  /** The connection ended before its TLS handshake did. */
  readonly isInHandshake?: boolean;

  constructor(code: string, message: string, details: Omit<Partial<HttpError>, keyof Error | "code"> = {}) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}

export function isConnectTimeout(error: unknown): boolean {
  return error instanceof HttpError && error.code === "HTTP_CONNECT_TIMEOUT";
}
