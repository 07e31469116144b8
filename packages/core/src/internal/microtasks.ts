/** Calls back when everything that has its answer by now has run on: all microtasks, and those they lead to. */
export function afterMicrotasks(callback: () => void): void {
  // A tick that is asked for from a microtask comes after all of them.
  queueMicrotask(() => {
    process.nextTick(callback)
  })
}

/** The same as a promise. */
export function microtasksDone(): Promise<void> {
  return new Promise(afterMicrotasks)
}
