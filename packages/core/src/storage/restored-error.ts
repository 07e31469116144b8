import type { StoredError } from '../errors/stored-error.ts'

/**
 * A stored error as an Error again: its name, message, stack, causes and `code`, so that guards such as `isAbortError` know
 * it. Its class is gone.
 */
export function restoreError({ name, message, stack, code, cause }: StoredError): Error {
  const error = new Error(message, cause === undefined ? {} : { cause: restoreError(cause) })
  // As on the errors that the engine makes: neither shows among an error's own enumerable properties.
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  Object.defineProperty(error, 'stack', {
    value: stack ?? `${name}: ${message}`,
    configurable: true,
    writable: true,
  })
  return code === undefined ? error : Object.assign(error, { code })
}
