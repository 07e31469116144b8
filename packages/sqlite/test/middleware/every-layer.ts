import {
  acknowledge,
  circuitBreaker,
  concurrency,
  constant,
  type Layer,
  loadShed,
  rateLimit,
  retry,
  timeout,
  turn,
  use,
} from '@apalis/core'

/** One of every layer, each with little to give; a line for a new one is all that the tests of pairs need. */
export const everyLayer: Readonly<Record<string, () => Layer>> = {
  acknowledge: () => acknowledge(() => turn()),
  circuitBreaker: () => circuitBreaker({ failures: 2, recovery: '10s' }),
  concurrency: () => concurrency(2),
  loadShed: () => loadShed(),
  rateLimit: () => rateLimit({ limit: 2, per: '1s', burst: 2 }),
  retry: () => retry({ times: 2, backoff: constant(100) }),
  timeout: () => timeout('5s'),
  use: () =>
    use(async function waits(_, next) {
      await turn()
      return await next()
    }),
}
