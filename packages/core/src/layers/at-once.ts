import { LayerError } from '../errors/task-errors.ts'
import { isPromise } from '../internal/promise.ts'

/**
 * What a predicate of the user's answered. Throws a `LayerError` where that is a promise, which would always pass for a yes;
 * what it rejects with is nobody's concern then.
 */
export function atOnce(predicate: string, answer: boolean): boolean {
  // Typed, but JavaScript answers with anything.
  const given: unknown = answer
  if (!isPromise(given)) return answer
  given.then(undefined, nothing)
  throw new LayerError(`${predicate} has to answer at once, and gave a promise`)
}

function nothing(): void {}
