/** The base of every error that apalis makes. `code` is stable and tells errors apart, also across two copies of the package. */
export class ApalisError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.name = new.target.name
  }
}

/** Whether `error` carries the stable code `code`. Never throws, whatever `error` is. */
export function hasCode(error: unknown, code: string): boolean {
  try {
    return typeof error === 'object' && error !== null && 'code' in error && error.code === code
  } catch {
    // A hostile getter or proxy is not one of ours.
    return false
  }
}
