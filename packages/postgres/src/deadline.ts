import { systemClock } from '@apalis/core'

/**
 * What a promise gives, or an error when it takes too long; `late` is then given what comes after all. In real time, whatever
 * the storage's clock is: the server lives in that.
 */
export function within<Value>(
  promise: Promise<Value>,
  ms: number,
  tooLate: () => Error,
  late: (value: Value) => void = () => {},
): Promise<Value> {
  return new Promise((resolve, reject) => {
    let over = false
    const timer = systemClock.setTimer(() => {
      over = true
      reject(tooLate())
    }, ms)
    promise.then(
      (value) => {
        timer.cancel()
        if (over) late(value)
        else resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        if (!over) reject(error)
      },
    )
  })
}
