/** The service said no; `code` is the last part of the problem's type. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number | null;
  constructor(status: number, code: string, detail: string, retryAfterSeconds: number | null) {
    super(detail);
    this.name = 'ServiceError';
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
