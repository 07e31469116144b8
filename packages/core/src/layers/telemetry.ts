import { toStoredError } from '../errors/stored-error.ts'

/** What OpenTelemetry takes as attributes of spans and measurements, as far as we use it. */
export interface TelemetryAttributes {
  [name: string]: string | number
}

/** What OpenTelemetry's conventions call a messaging system. */
export const MESSAGING = 'apalis'

/** What kind of error it is, for attributes: its stable code, else its name. */
export function errorType(error: unknown): string {
  const { code, name } = toStoredError(error)
  return code ?? name
}
