import type { Service } from '../service/service.ts'

/** One call of a {@link MockService}, waiting for its answer. */
export interface MockCall<out Req, in Res> {
  readonly request: Req
  /** Ends the call with a result. */
  readonly respond: (result: Res) => void
  /** Makes the call throw. */
  readonly fail: (error: unknown) => void
}

/** A service whose every call the test answers. */
export interface MockService<Req, Res> {
  /** What to give to a layer. */
  readonly service: Service<Req, Res>
  /** The next call that no `request()` was given yet; waits for one. */
  request(): Promise<MockCall<Req, Res>>
  /** What the service says of its capacity; calls do not change it. @default Infinity */
  capacity: number
  /** How many calls there were. */
  readonly calls: number
  /** How many of them no `request()` was given yet: 0 when the test knows of all. */
  readonly pending: number
}

/** Makes a {@link MockService}: the test plays the inside of a layer. tower-test's `mock`. */
export function mockService<Req, Res>(): MockService<Req, Res> {
  const calls: MockCall<Req, Res>[] = []
  const awaiting: ((call: MockCall<Req, Res>) => void)[] = []
  const waking = new Set<() => void>()
  let capacity = Infinity
  let count = 0

  function arrive(call: MockCall<Req, Res>): void {
    count += 1
    const taker = awaiting.shift()
    if (taker === undefined) calls.push(call)
    else taker(call)
  }

  return {
    service: {
      call: (request) =>
        new Promise((resolve, reject) => arrive({ request, respond: resolve, fail: reject })),
      capacity: () => capacity,
      ready: (signal) => {
        if (capacity > 0 || signal.aborted) return Promise.resolve()
        return new Promise((resolve) => {
          const wake = (): void => {
            waking.delete(wake)
            signal.removeEventListener('abort', wake)
            resolve()
          }
          waking.add(wake)
          signal.addEventListener('abort', wake, { once: true })
        })
      },
    },
    request() {
      const call = calls.shift()
      if (call !== undefined) return Promise.resolve(call)
      return new Promise((resolve) => {
        awaiting.push(resolve)
      })
    },
    get capacity() {
      return capacity
    },
    set capacity(changed) {
      capacity = changed
      if (changed > 0) for (const wake of waking) wake()
    },
    get calls() {
      return count
    },
    get pending() {
      return calls.length
    },
  }
}
