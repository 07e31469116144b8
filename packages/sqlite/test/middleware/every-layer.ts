import {
  acknowledge,
  circuitBreaker,
  concurrency,
  constant,
  filter,
  type Layer,
  loadShed,
  mapError,
  optional,
  rateLimit,
  retry,
  tap,
  timeout,
  turn,
  use,
} from '@apalis/core'

/** One of every layer, each with little to give; a line for a new one is all that the tests of pairs need. */
export const everyLayer: Readonly<Record<string, () => Layer>> = {
  acknowledge: () => acknowledge(() => turn()),
  circuitBreaker: () => circuitBreaker({ failures: 2, recovery: '10s' }),
  concurrency: () => concurrency(2),
  filter: () => filter(async () => true as const),
  loadShed: () => loadShed(),
  mapError: () => mapError(async (error) => error),
  optional: () => optional(timeout('5s')),
  rateLimit: () => rateLimit({ limit: 2, per: '1s', burst: 2 }),
  retry: () => retry({ times: 2, backoff: constant(100) }),
  tap: () => tap({ request: () => {}, result: () => {}, error: () => {} }),
  timeout: () => timeout('5s'),
  use: () =>
    use(async function waits(_, next) {
      await turn()
      return await next()
    }),
}
