/** Settles when everything that has its answer by now has run on: all microtasks, and those they lead to. */
export function microtasksDone(): Promise<void> {
  return new Promise((resolve) => {
    // A tick that is asked for from a microtask comes after all of them.
    process.nextTick(resolve)
  })
}
