import { performance } from 'node:perf_hooks'
import type { Suite } from '../contender.ts'

/** What is needed of the tests' four processes. */
interface Support {
  readonly openFourServer: () => Promise<AsyncDisposable>
  readonly runFour: (
    server: AsyncDisposable,
    loadMs: number,
  ) => Promise<{ readonly runs: number; readonly calls: number; readonly conflicts: number }>
}

/**
 * Four processes that work and three that push, kill, retry, update, remove and purge, on a server of their own, for ten
 * minutes. The tests have two minutes of the same, and the same checks: that a user hears of no error is one of them.
 */
export const four: Suite = {
  contenders: [
    {
      name: 'apalis',
      package: '@apalis/postgres',
      async run(seconds, _limit, deliveries) {
        const path = '../../../packages/postgres/test/faults/support/four.ts'
        // What it exports is written above.
        const support = (await import(new URL(path, import.meta.url).href)) as Support
        await using server = await support.openFourServer()
        const begun = performance.now()
        const { runs, calls, conflicts } = await support.runFour(server, seconds * 1_000)
        for (let second = 0; second < seconds; second += 1) deliveries.run(second)
        const value = (runs * 1_000) / (performance.now() - begun)
        return { value, also: { runs, 'other calls': calls, conflicts } }
      },
    },
  ],
  compared: [],
  unit: 'tasks/s',
  of: 'seconds',
  tasks: 600,
  rounds: 1,
  warmUp: 0,
}
