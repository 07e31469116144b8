/** Whether a function answered later. Thenables of other libraries count. */
export function isPromise<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return (
    value instanceof Promise ||
    (typeof value === 'object' &&
      value !== null &&
      'then' in value &&
      typeof value.then === 'function')
  )
}
